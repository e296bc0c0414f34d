//! Flows, their formats and their readers as messages of the API.

use media::{AncillaryFormat, AudioFormat, Rate, Sampling, VideoFormat};

use crate::{ConsumerClass, ConsumerHolder, ConsumerStatus, FlowProducer, FlowStanding, FlowStatus, SlotUse, v1};

pub(crate) fn flows(mut flows: Vec<FlowStatus>) -> Vec<v1::Flow> {
    // Of one name the ring that it stands for now comes first.
    flows.sort_by(|a, b| (&a.name, a.standing, a.epoch).cmp(&(&b.name, b.standing, b.epoch)));
    flows.into_iter().map(flow).collect()
}

fn flow(status: FlowStatus) -> v1::Flow {
    let producer = match status.producer {
        FlowProducer::Gateway => v1::Producer { gateway: true, uid: 0, pid: 0 },
        FlowProducer::Pod { uid, pid } => v1::Producer { gateway: false, uid, pid },
    };
    v1::Flow {
        name: status.name.to_string(),
        id: status.id.to_string(),
        format: status.format.as_video().map(video),
        audio: status.format.as_audio().map(audio),
        ancillary: status.format.as_ancillary().map(ancillary),
        producer: Some(producer),
        epoch: format!("{:032x}", status.epoch),
        slots: status.slots.into(),
        pages: status.pages,
        last_grain_index: status.last_grain.map(|index| index.0),
        consumers: status.consumers.iter().map(consumer).collect(),
        slot_use: status.slot_use.map(slot_use),
        consumers_evicted: status.consumers_evicted,
        succeeded: status.standing == FlowStanding::Concluded,
        adopted: status.is_adopted,
        waiting: status.standing == FlowStanding::Waiting,
    }
}

fn slot_use(slots: SlotUse) -> v1::SlotUse {
    let SlotUse { free, open, done, leased, quarantined } = slots;
    v1::SlotUse {
        free: free.into(),
        open: open.into(),
        done: done.into(),
        leased: leased.into(),
        quarantined: quarantined.into(),
    }
}

pub(crate) fn consumer(status: &ConsumerStatus) -> v1::Consumer {
    let (class, k) = match status.class {
        ConsumerClass::Leased { k } => (v1::ConsumerClass::Leased, k),
        ConsumerClass::Lossy => (v1::ConsumerClass::Lossy, 0),
        ConsumerClass::Blocking { k } => (v1::ConsumerClass::Blocking, k),
    };
    let (uid, pid) = match status.holder {
        ConsumerHolder::Pod { uid, pid } => (uid, pid.unwrap_or(0)),
        ConsumerHolder::Gateway | ConsumerHolder::Outlived => (0, 0),
    };
    v1::Consumer {
        uid,
        pid,
        class: class.into(),
        k: k.into(),
        state: status.state.to_owned(),
        lag_grains: status.lag_grains,
        seat: status.seat.into(),
        gateway: status.holder == ConsumerHolder::Gateway,
        held_slots: status.held_slots,
        quarantined_slots: status.quarantined_slots,
        outlived: status.holder == ConsumerHolder::Outlived,
    }
}

pub(crate) fn video(format: &VideoFormat) -> v1::VideoFormat {
    let sampling = match format.sampling() {
        Sampling::YCbCr422 => "YCbCr-4:2:2",
    };
    v1::VideoFormat {
        width: format.width().into(),
        height: format.height().into(),
        sampling: sampling.to_owned(),
        depth_bits: format.depth().bits().into(),
        rate: Some(rate(format.rate())),
    }
}

fn audio(format: &AudioFormat) -> v1::AudioFormat {
    v1::AudioFormat {
        channels: format.channels().into(),
        sample_rate_hz: format.sample_rate_hz(),
        depth: format.depth().to_string(),
        block_samples: format.block_samples().into(),
        rate: Some(rate(format.rate())),
    }
}

fn ancillary(format: &AncillaryFormat) -> v1::AncillaryFormat {
    v1::AncillaryFormat { rate: Some(rate(format.rate())), max_octets: format.max_octets() }
}

fn rate(rate: Rate) -> v1::Rate {
    v1::Rate { num: rate.num(), den: rate.den() }
}

#[cfg(test)]
mod tests {
    use media::{AncillaryFormat, AudioDepth, AudioFormat, Depth, FlowFormat, FlowId, GrainIndex, VideoFormat};
    use prost::Message;

    use super::*;

    /// `Flow` as clients from before audio, ancillary data and seats know it.
    #[derive(Clone, PartialEq, Message)]
    struct EarlierFlow {
        #[prost(string, tag = "1")]
        name: String,
        #[prost(message, optional, tag = "3")]
        format: Option<v1::VideoFormat>,
        #[prost(string, tag = "5")]
        epoch: String,
        #[prost(uint32, tag = "6")]
        slots: u32,
        #[prost(uint64, optional, tag = "8")]
        last_grain_index: Option<u64>,
        #[prost(message, repeated, tag = "9")]
        consumers: Vec<EarlierConsumer>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct EarlierConsumer {
        #[prost(uint32, tag = "1")]
        uid: u32,
        #[prost(uint32, tag = "2")]
        pid: u32,
        #[prost(int32, tag = "3")]
        class: i32,
        #[prost(uint32, tag = "4")]
        k: u32,
        #[prost(string, tag = "5")]
        state: String,
        #[prost(uint64, tag = "6")]
        lag_grains: u64,
    }

    fn status(format: impl Into<FlowFormat>) -> FlowStatus {
        let name = "cam".parse().unwrap();
        let consumer = ConsumerStatus {
            seat: 3,
            holder: ConsumerHolder::Pod { uid: 1000, pid: Some(4711) },
            class: ConsumerClass::Blocking { k: 2 },
            state: "live",
            lag_grains: 7,
            held_slots: 2,
            quarantined_slots: 0,
        };
        FlowStatus {
            id: FlowId::from_name(&name),
            name,
            format: format.into(),
            producer: FlowProducer::Pod { uid: 1000, pid: 1 },
            epoch: 0xabc,
            slots: 8,
            pages: String::new(),
            last_grain: Some(GrainIndex(42)),
            standing: FlowStanding::Current,
            is_adopted: false,
            slot_use: Some(SlotUse { free: 1, open: 2, done: 3, leased: 4, quarantined: 5 }),
            consumers_evicted: 9,
            consumers: vec![consumer],
            counters: Vec::new(),
        }
    }

    fn ntsc() -> Rate {
        Rate::new(60_000, 1001).unwrap()
    }

    #[test]
    fn each_kind_of_flow_has_its_own_format() {
        let picture = VideoFormat::new(64, 8, Sampling::YCbCr422, Depth::Bits10, ntsc()).unwrap();
        let sound = AudioFormat::new(16, 48_000, AudioDepth::L24, 48).unwrap();
        let data = AncillaryFormat::new(ntsc(), 4096).unwrap();
        let messages = flows(vec![status(picture), status(sound), status(data)]);
        let shown = |at: usize| {
            let flow = &messages[at];
            (flow.format.is_some(), flow.audio.is_some(), flow.ancillary.is_some())
        };
        assert_eq!([shown(0), shown(1), shown(2)], [(true, false, false), (false, true, false), (false, false, true)]);
        let audio = messages[1].audio.clone().unwrap();
        assert_eq!((audio.channels, audio.sample_rate_hz, audio.depth.as_str()), (16, 48_000, "L24"));
        assert_eq!((audio.block_samples, audio.rate), (48, Some(v1::Rate { num: 1000, den: 1 })));
        let expected = v1::AncillaryFormat { rate: Some(v1::Rate { num: 60_000, den: 1001 }), max_octets: 4096 };
        assert_eq!(messages[2].ancillary, Some(expected));
    }

    #[test]
    fn earlier_clients_read_what_they_know_of_a_flow() {
        let picture = VideoFormat::new(64, 8, Sampling::YCbCr422, Depth::Bits10, ntsc()).unwrap();
        let message = flow(status(picture));
        let earlier = EarlierFlow::decode(message.encode_to_vec().as_slice()).unwrap();
        assert_eq!((earlier.name.as_str(), earlier.slots, earlier.last_grain_index), ("cam", 8, Some(42)));
        assert_eq!((earlier.format, earlier.epoch), (message.format, message.epoch));
        let consumer = &earlier.consumers[0];
        assert_eq!((consumer.uid, consumer.pid, consumer.k, consumer.lag_grains), (1000, 4711, 2, 7));
        assert_eq!((consumer.class, consumer.state.as_str()), (3, "live"));
        let sound = AudioFormat::new(2, 48_000, AudioDepth::L16, 48).unwrap();
        let earlier = EarlierFlow::decode(flow(status(sound)).encode_to_vec().as_slice()).unwrap();
        assert_eq!((earlier.name.as_str(), earlier.format), ("cam", None));
    }

    #[test]
    fn a_later_client_reads_an_earlier_gateway() {
        let consumers = vec![EarlierConsumer { uid: 1000, class: 2, state: "live".into(), ..Default::default() }];
        let earlier = EarlierFlow { name: "cam".into(), slots: 8, consumers, ..Default::default() };
        let later = v1::Flow::decode(earlier.encode_to_vec().as_slice()).unwrap();
        assert_eq!((later.name.as_str(), later.slot_use, later.succeeded), ("cam", None, false));
        assert_eq!((later.consumers[0].class(), later.consumers[0].gateway), (v1::ConsumerClass::Lossy, false));
    }

    #[test]
    fn the_ring_that_a_name_stands_for_comes_first() {
        let sound = AudioFormat::new(2, 48_000, AudioDepth::L16, 48).unwrap();
        let ring = |epoch, standing| FlowStatus { epoch, standing, ..status(sound) };
        let rings = [FlowStanding::Concluded, FlowStanding::Waiting, FlowStanding::Current];
        let messages = flows(rings.iter().zip(1..).map(|(standing, epoch)| ring(epoch, *standing)).collect());
        let told: Vec<_> = messages.iter().map(|flow| (flow.waiting, flow.succeeded)).collect();
        assert_eq!(told, [(false, false), (true, false), (false, true)]);
    }

    #[test]
    fn readers_say_whose_they_are() {
        let sound = AudioFormat::new(2, 48_000, AudioDepth::L16, 48).unwrap();
        let mut status = status(sound);
        for (seat, holder) in [(4, ConsumerHolder::Gateway), (5, ConsumerHolder::Outlived)] {
            status.consumers.push(ConsumerStatus { seat, holder, ..status.consumers[0].clone() });
        }
        status.is_adopted = true;
        let flow = flow(status);
        assert!(flow.adopted);
        let told: Vec<_> = flow.consumers.iter().map(|of| (of.seat, of.uid, of.gateway, of.outlived)).collect();
        assert_eq!(told, [(3, 1000, false, false), (4, 0, true, false), (5, 0, false, true)]);
    }
}
