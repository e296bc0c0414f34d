//! The end that receives.

use std::net::{SocketAddr, TcpListener};

use anyhow::{Context as _, Result, ensure};
use netio::{RxQueue, TxQueue};
use shm::GrainLease;

use super::control::{Answer, Control, Heard, Offer, Sent};
use crate::arguments::Server;
use crate::desk::Desk;
use crate::device::DeviceName;
use crate::plane::ends::Ends;
use crate::plane::live::{Here, Live};
use crate::plane::{Outcome, udp};
use crate::traffic::Traffic;
use crate::{Machine, Verdict};

/// Serves one client after the other.
///
/// # Errors
/// When it cannot listen, or DPDK does not start. What goes wrong with one client is said, and the next one served.
pub fn serve(arguments: &Server) -> Result<Verdict> {
    let listener =
        TcpListener::bind(arguments.listen).with_context(|| format!("cannot listen at {}", arguments.listen))?;
    println!("listening at {}, receiving by {}", listener.local_addr()?, arguments.device);
    let device = Device::start(arguments)?;
    let mut verdict = Verdict::Whole;
    let mut served = 0;
    while arguments.clients == 0 || served < arguments.clients {
        let (stream, peer) = listener.accept()?;
        served += 1;
        println!("{peer}:");
        match Control::new(stream).and_then(|control| serve_one(control, &device, arguments)) {
            Ok(Verdict::Whole) => {}
            Ok(Verdict::Lossy) => verdict = Verdict::Lossy,
            Err(error) => {
                eprintln!("{peer}: {error:#}");
                verdict = Verdict::Lossy;
            }
        }
    }
    Ok(verdict)
}

/// What it receives by; DPDK starts once.
enum Device {
    Udp,
    #[cfg(feature = "dpdk")]
    Dpdk(dpdk::eal::Eal),
}

impl Device {
    fn start(arguments: &Server) -> Result<Self> {
        match &arguments.device {
            DeviceName::Udp => Ok(Self::Udp),
            #[cfg(feature = "dpdk")]
            name @ DeviceName::Dpdk(_) => {
                let ports = super::ports(name, arguments.second_device.as_ref());
                Ok(Self::Dpdk(crate::plane::port::start(&ports, arguments.pages)?))
            }
            #[cfg(not(feature = "dpdk"))]
            DeviceName::Dpdk(name) => anyhow::bail!("{name} needs DPDK, which this program was built without"),
        }
    }
}

fn serve_one(mut control: Control, device: &Device, arguments: &Server) -> Result<Verdict> {
    let offer: Offer = control.hear_at_once()?;
    match prepared(&control, &offer, device, arguments) {
        Ok((live, destinations)) => {
            control.tell(&Answer::Ready(destinations))?;
            listen(control, live, offer.traffic.legs)
        }
        Err(error) => {
            control.tell(&Answer::Refused(format!("{error:#}")))?;
            Err(error)
        }
    }
}

fn prepared(
    control: &Control,
    offer: &Offer,
    device: &Device,
    arguments: &Server,
) -> Result<(Live, Vec<Vec<SocketAddr>>)> {
    let ours = env!("CARGO_PKG_VERSION");
    ensure!(offer.version == ours, "the client is of version {}, the server of {ours}", offer.version);
    let last = worker::run::usable_cores().last().copied();
    let cores = arguments.core.or(last).into_iter().collect();
    let traffic = Traffic { cores, pages: arguments.pages, ..offer.traffic.clone() };
    ensure!((1..=64).contains(&traffic.streams), "{} streams: 1 to 64", traffic.streams);
    ensure!((1..=2).contains(&traffic.legs), "{} legs: 1 or 2", traffic.legs);
    match device {
        Device::Udp => begin(udp::open(control.local_addr()?.ip(), traffic.streams, traffic.legs)?, &traffic),
        #[cfg(feature = "dpdk")]
        Device::Dpdk(eal) => {
            let ports = super::ports(&arguments.device, arguments.second_device.as_ref());
            super::check_legs(traffic.legs, &ports)?;
            let ports = &ports[..traffic.legs.into()];
            begin(crate::plane::port::open(eal, ports, &arguments.addresses, &traffic)?, &traffic)
        }
    }
}

fn begin<R, T>(ends: Ends<R, T>, traffic: &Traffic) -> Result<(Live, Vec<Vec<SocketAddr>>)>
where
    R: RxQueue + Send + 'static,
    T: TxQueue<Lease = GrainLease, Received = R::Buf> + 'static,
    Desk<R, T>: Send,
{
    let destinations = ends.around.destinations.clone();
    Ok((Live::begin(ends, traffic, Here::Receiver)?, destinations))
}

/// Until the client says that it is done.
fn listen(mut control: Control, live: Live, legs: u16) -> Result<Verdict> {
    let tell = |second, interval: &crate::plane::Interval| {
        println!("{second:>4} s  {}", interval.text());
        Ok(())
    };
    let seen = live.watch(tell, |_| control.has_spoken().unwrap_or(true))?;
    let sent = control.hear::<Sent>();
    let mut outcome = live.end(seen)?;
    let sent = sent?;
    account(&mut outcome, &sent, legs);
    print!("{}", outcome.text());
    let verdict = if outcome.is_whole() { Verdict::Whole } else { Verdict::Lossy };
    control.tell(&Heard { machine: serde_json::to_value(Machine::look())?, outcome })?;
    Ok(verdict)
}

/// Counts what the client has sent and what is not here. Of two legs one may lose what the other brings.
fn account(outcome: &mut Outcome, sent: &Sent, legs: u16) {
    let total = &mut outcome.total;
    (total.tx_packets, total.grains_sent) = (sent.packets, sent.grains);
    let once = match legs {
        1 => total.rx_packets,
        _ => total.rx_packets.saturating_sub(total.duplicates),
    };
    outcome.packets_lost = total.lost.max((sent.packets / u64::from(legs.max(1))).saturating_sub(once));
    // Frames of which nothing came at all.
    total.grains_incomplete += sent.grains.saturating_sub(total.grains_complete + total.grains_incomplete);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounted(legs: u16, packets: u64, heard: impl FnOnce(&mut Outcome)) -> Outcome {
        let mut outcome = Outcome::of_ten_packets();
        outcome.total.grains_complete = 2;
        heard(&mut outcome);
        account(&mut outcome, &Sent { packets, grains: 2 }, legs);
        outcome
    }

    #[test]
    fn what_one_of_two_legs_lost_and_the_other_brought_is_not_lost() {
        // Ten packets by each leg; three did not come by one of them.
        let brought = accounted(2, 20, |heard| (heard.total.rx_packets, heard.total.duplicates) = (17, 7));
        assert!(brought.is_whole(), "{brought:?}");
        let gone = accounted(2, 20, |heard| (heard.total.rx_packets, heard.total.duplicates) = (17, 8));
        assert_eq!((gone.packets_lost, gone.is_whole()), (1, false));
    }

    #[test]
    fn whatever_does_not_come_is_lost() {
        assert!(accounted(1, 10, |_| {}).is_whole());
        assert_eq!(accounted(1, 13, |_| {}).packets_lost, 3);
        assert_eq!(accounted(1, 10, |heard| heard.total.lost = 2).packets_lost, 2);
        let frame = accounted(2, 20, |heard| {
            (heard.total.rx_packets, heard.total.duplicates, heard.total.grains_complete) = (20, 10, 1);
        });
        assert!(!frame.is_whole() && frame.total.grains_incomplete == 1);
    }
}
