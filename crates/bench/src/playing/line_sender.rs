//! A writer of whole frames, line by line at line rate, as a camera fills them.

use anyhow::{Result, bail};
use media::GrainIndex;
use shm::{FrameWriter, GrainEnd, GrainStamp};

use crate::clock;
use crate::ring::{AckReader, GatewayRing, RingWriter as _, tai_now};
use crate::role::{Answer, Command, Inbox, Publish, Role, answer};
use crate::sum::{add, line_of};

/// Between frames: the receiver is to wait for the next one.
const GAP_NS: u64 = 200_000;

pub(super) fn run(mut ring: GatewayRing, inbox: &Inbox, role: &Role) -> Result<()> {
    role.pin()?;
    answer(&Answer::Done)?;
    let mut acks = Vec::new();
    let mut command = inbox.next()?;
    while let Some(told) = command.take() {
        match told {
            Command::Host => {
                command = inbox.host(|| ring.parts().0.poll(tai_now()))?;
                continue;
            }
            Command::Connect { acknowledgements } => {
                acks = AckReader::all(&role.folder, &acknowledgements)?;
                answer(&Answer::Done)?;
            }
            Command::Frames { frames, line_ns, publish } => {
                let (mut stamps, mut sums) = (Vec::new(), Vec::new());
                for _ in 0..frames {
                    let (writer, progress) = ring.parts();
                    let index = progress.next;
                    progress.next += 1;
                    clock::spin_until(clock::now() + GAP_NS);
                    let (stamp, sum) = write_frame(writer, index, role, line_ns, publish)?;
                    stamps.push(stamp);
                    sums.push(sum);
                    acks.iter_mut().try_for_each(|ack| ack.wait_for(index))?;
                }
                answer(&Answer::Sent { opening: Vec::new(), stamps, sums })?;
            }
            other => bail!("a writer of lines cannot {other:?}"),
        }
        command = inbox.next()?;
    }
    Ok(())
}

/// When the last line was written (just before it was published), and the sum of all.
fn write_frame(
    writer: &mut FrameWriter,
    index: u64,
    role: &Role,
    line_ns: u64,
    publish: Publish,
) -> Result<(u64, u64)> {
    let (lines, octets) = (role.size.lines(), role.size.line_octets());
    let (mut sum, mut stamp) = (0, 0);
    let grain = writer.open(GrainIndex(index), GrainStamp::default(), tai_now())?;
    let began = clock::now();
    for line in 0..lines {
        let samples = line_of(index, line, octets);
        sum = add(sum, &samples);
        clock::spin_until(began + u64::from(line) * line_ns);
        writer.write(grain, u32::from(line) * octets as u32, &samples)?;
        stamp = clock::now();
        if publish == Publish::Lines {
            writer.publish(grain, line + 1);
        }
    }
    writer.commit(grain, GrainEnd::default());
    Ok((stamp, sum))
}
