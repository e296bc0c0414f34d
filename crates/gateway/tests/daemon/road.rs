//! A picture's whole road: a pod's ring, a sender, the network, a receiver, a pod that reads in place.

use std::path::Path;
use std::time::{Duration, Instant};

use control::v1;
use media::{Clock, GrainIndex, ManualClock, Name, RtpTimestamp, Tai, VideoFormat};
use shm::{Consumer, ConsumerClass, GrainEnd, GrainStamp, Producer, ReadError, Session};
use st2110::VideoSdp;

use crate::flypackd::Folder;

/// How long anything may take before the test calls it dead.
const PATIENCE: Duration = Duration::from_secs(30);

const LEASED: ConsumerClass = ConsumerClass::Leased { k: 4, deadline_nanos: 60_000_000_000 };

/// A gRPC client that blocks.
pub(super) struct Api {
    pub(super) runtime: tokio::runtime::Runtime,
    pub(super) client: control::client::FlypackClient<tonic::transport::Channel>,
}

impl Api {
    pub(super) fn connect(folder: &Folder) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = runtime.block_on(control::connect(&folder.endpoint().parse().unwrap())).unwrap();
        Self { runtime, client }
    }

    pub(super) fn create_receiver(&mut self, name: &str, sdp: String) -> Result<(), tonic::Status> {
        let request = v1::CreateReceiverRequest { name: name.to_owned(), sdp, ..Default::default() };
        self.runtime.block_on(self.client.create_receiver(request)).map(drop)
    }

    fn create_sender(&mut self, name: &str, destination: String) -> Result<(), tonic::Status> {
        let request = v1::CreateSenderRequest { name: name.to_owned(), destination, ..Default::default() };
        self.runtime.block_on(self.client.create_sender(request)).map(drop)
    }

    pub(super) fn take(&mut self, destination: &str, source: &str) -> Result<(), tonic::Status> {
        let request =
            v1::TakeRequest { destination: destination.to_owned(), source: source.to_owned(), ..Default::default() };
        self.runtime.block_on(self.client.take(request)).map(drop)
    }

    pub(super) fn sender(&mut self, name: &str) -> v1::Sender {
        let senders = self.runtime.block_on(self.client.list_senders(v1::ListSendersRequest {})).unwrap();
        senders.into_inner().senders.into_iter().find(|sender| sender.name == name).unwrap()
    }
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn picture(format: &VideoFormat, number: u64) -> Vec<u8> {
    (0..u64::from(format.frame_octets())).map(|at| (at * 13 + number * 71 + (at >> 9)) as u8).collect()
}

/// Writes frames as fast as the consumers follow.
struct Pod {
    producer: Producer,
    format: VideoFormat,
    clock: ManualClock,
    next: u64,
}

impl Pod {
    fn new(broker: &Path, flow: &str, format: VideoFormat) -> Self {
        let producer = Session::connect(broker).unwrap().produce(&name(flow), format, Some(16)).unwrap();
        Self { producer, format, clock: ManualClock::at(Tai::from_nanos(1)), next: 1 }
    }

    fn write(&mut self) {
        let (number, now) = (self.next, self.clock.now());
        let stamp = GrainStamp { tai: now, rtp: RtpTimestamp(number as u32 * 1800) };
        let writer = self.producer.writer();
        let key = writer.open(GrainIndex(number), stamp, now).unwrap();
        writer.write(key, 0, &picture(&self.format, number)).unwrap();
        writer.commit(key, GrainEnd { first_arrival: now, last_arrival: now, octets: None });
        self.next += 1;
    }

    fn poll(&mut self) {
        self.producer.writer().poll(self.clock.now());
    }
}

fn consume(broker: &Path, flow: &str) -> Consumer {
    let until = Instant::now() + PATIENCE;
    loop {
        match Session::connect(broker).unwrap().subscribe(&name(flow), LEASED) {
            Ok(consumer) => return consumer,
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
        std::thread::yield_now();
    }
}

/// Writes frames until `wanted` of them have come out, whole and in order.
fn see(pod: &mut Pod, consumer: &mut Consumer, wanted: usize) {
    let until = Instant::now() + PATIENCE;
    let mut seen = Vec::new();
    let mut last_write = Instant::now();
    while seen.len() < wanted {
        assert!(Instant::now() < until, "only frames {seen:?} came");
        // A frame at a time in flight: the rate is the SDP's, so the sender needs a frame period for each.
        if last_write.elapsed() >= Duration::from_millis(20) {
            last_write = Instant::now();
            pod.write();
        }
        pod.poll();
        let reader = consumer.reader();
        if reader.waiting() == 0 {
            std::thread::yield_now();
            continue;
        }
        let Some(index) = reader.next_available() else { continue };
        let lease = reader.lease(index).unwrap();
        let lines = lease.lines(0..pod.format.height()).expect("a committed grain of the gateway is readable in place");
        let number = (1..pod.next).find(|number| lines == picture(&pod.format, *number));
        if reader.lost_lines(&lease.grain()).next().is_some() {
            continue; // a loaded machine may lose packets on the way; never silently
        }
        seen.push(number.expect("a frame that was sent, whole"));
    }
    assert!(seen.windows(2).all(|pair| pair[1] > pair[0]), "{seen:?}");
}

#[test]
fn a_picture_crosses_the_network_from_pod_to_pod() {
    let folder = Folder::new();
    let mut daemon = folder.start("");
    let mut api = Api::connect(&folder);
    let format = VideoSdp::parse(&folder.sdp(), None).unwrap().format;
    api.create_receiver("far", folder.sdp()).unwrap();
    api.create_sender("out", format!("{}:{}", folder.address, folder.port)).unwrap();
    let mut pod = Pod::new(&folder.path("broker.sock"), "pod", format);
    // The sender joins the pod's ring, which takes the pod's answer.
    std::thread::scope(|scope| {
        let taken = scope.spawn(|| api.take("out", "pod"));
        while !taken.is_finished() {
            pod.poll();
            std::thread::yield_now();
        }
        taken.join().unwrap().unwrap();
    });
    let mut consumer = consume(&folder.path("broker.sock"), "far");
    see(&mut pod, &mut consumer, 10);
    let sdp = api.sender("out").sdp;
    assert_eq!(VideoSdp::parse(&sdp, None).unwrap().format, format);
    let taken = api.take("out", "nobody").unwrap_err();
    assert!(taken.message().contains("far") && taken.message().contains("pod"), "{taken}");
    api.take("out", "").unwrap();
    assert!(api.sender("out").sdp.is_empty());
    drop((pod, consumer));
    assert!(daemon.terminate().success(), "{}", daemon.log());
}

#[test]
fn a_crosspoint_of_the_file_waits_for_its_pod_and_follows_it_when_it_comes_again() {
    let folder = Folder::new();
    let format = VideoSdp::parse(&folder.sdp(), None).unwrap().format;
    let mut daemon = folder.start(&format!(
        "[[receiver]]\nname = \"far\"\nsdp = \"cam.sdp\"\n[[sender]]\nname = \"out\"\ndestination = \"{}:{}\"\n\
         [[crosspoint]]\ndestination = \"out\"\nsource = \"pod\"\n",
        folder.address, folder.port
    ));
    let mut consumer = consume(&folder.path("broker.sock"), "far");
    for first in [1, 101] {
        let mut pod = Pod::new(&folder.path("broker.sock"), "pod", format);
        pod.next = first; // what is still on its way of the pod before has lower numbers
        see(&mut pod, &mut consumer, 3);
    }
    assert!(daemon.terminate().success(), "{}", daemon.log());
}

#[test]
fn what_the_api_refuses_says_what_would_work_and_changes_nothing() {
    let folder = Folder::new();
    let _daemon = folder.start("");
    let mut api = Api::connect(&folder);
    api.create_receiver("far", folder.sdp()).unwrap();
    let again = api.create_receiver("far", folder.sdp()).unwrap_err();
    assert_eq!(again.code(), tonic::Code::AlreadyExists);
    let port = api.create_receiver("other", folder.sdp()).unwrap_err();
    assert!(port.message().contains("another socket has it"), "{port}");
    let sdp = folder.sdp().replace("depth=10; ", "");
    let missing = api.create_receiver("third", sdp).unwrap_err();
    assert!(missing.message().contains("depth"), "{missing}");
    let sender = api.create_sender("out", "127.0.0.1:0".to_owned()).unwrap_err();
    assert!(sender.message().contains("1 to 65535"), "{sender}");
}

/// A consumer of the pod's flow, let in while the pod polls.
fn join(pod: &mut Pod, broker: &Path) -> Consumer {
    std::thread::scope(|scope| {
        let joined = scope.spawn(|| consume(broker, "pod"));
        while !joined.is_finished() {
            pod.poll();
            std::thread::yield_now();
        }
        joined.join().unwrap()
    })
}

/// Writes a grain, which the consumer reads, unless it is of the next epoch: then where the old one ended.
fn exchange(pod: &mut Pod, consumer: &mut Consumer) -> Option<(GrainIndex, Option<u128>)> {
    let index = GrainIndex(pod.next);
    pod.write();
    let lease = match consumer.reader().lease(index) {
        Ok(lease) => lease,
        Err(ReadError::EpochEnded { end, successor }) => return Some((end, successor)),
        Err(error) => panic!("grain {index}: {error}"),
    };
    assert!(lease.lines(0..1).is_none(), "a pod's octets are never borrowed");
    let mut copy = vec![0; pod.format.frame_octets() as usize];
    lease.copy_lines(0..pod.format.height(), &mut copy).unwrap();
    assert_eq!(copy, picture(&pod.format, index.0));
    None
}

#[test]
fn pods_go_on_when_the_gateway_is_killed_and_the_next_one_takes_their_flows_over() {
    let folder = Folder::new();
    let mut daemon = folder.start("");
    let broker = folder.path("broker.sock");
    let format = VideoSdp::parse(&folder.sdp(), None).unwrap().format;
    let mut pod = Pod::new(&broker, "pod", format);
    let mut consumer = join(&mut pod, &broker);
    let mut exchanged = |pod: &mut Pod| (0..20).all(|_| exchange(pod, &mut consumer).is_none());
    assert!(exchanged(&mut pod));
    daemon.kill();
    assert!(exchanged(&mut pod), "no grain is missed while there is no gateway");
    let again = folder.start("");
    let until = Instant::now() + PATIENCE;
    let (end, successor) = loop {
        assert!(Instant::now() < until, "the next gateway did not take the flow over: {}", again.log());
        if let Some(ended) = exchange(&mut pod, &mut consumer) {
            break ended;
        }
    };
    // Nothing is missed at the step either: the grain that was not in the old epoch is the new one's first.
    assert_eq!((end, successor), (GrainIndex(pod.next - 1), Some(pod.producer.epoch())));
    let mut consumer = join(&mut pod, &broker);
    for _ in 0..20 {
        assert_eq!(exchange(&mut pod, &mut consumer), None);
    }
    assert!(!pod.producer.broker_gone());
}
