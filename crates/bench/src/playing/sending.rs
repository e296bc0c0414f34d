//! A sender: one message after the other, each when the one before was acknowledged by all.

use anyhow::{Result, bail};

use crate::clock;
use crate::ring::AckReader;
use crate::role::{Answer, Command, Inbox, Role, Sender, answer};

/// A message that is open is written before it is published; of a frame that takes milliseconds, of these marks this
/// long. What its opening left to the other cores is done by then, as it would be.
const WRITING_NS: u64 = 1_000;

pub(super) fn run(mut sender: impl Sender, inbox: &Inbox, role: &Role) -> Result<()> {
    role.pin()?;
    answer(&Answer::Done)?;
    let (mut acks, mut next) = (Vec::new(), 0);
    let mut command = inbox.next()?;
    while let Some(told) = command.take() {
        match told {
            Command::Host => {
                command = inbox.host(|| sender.host())?;
                continue;
            }
            Command::Connect { acknowledgements } => {
                sender.connect()?;
                acks = AckReader::all(&role.folder, &acknowledgements)?;
                answer(&Answer::Done)?;
            }
            Command::Round { messages, gap_ns } => {
                let sent = round(&mut sender, &mut acks, next..next + u64::from(messages), gap_ns)?;
                next += u64::from(messages);
                answer(&sent)?;
            }
            other => bail!("a sender cannot {other:?}"),
        }
        command = inbox.next()?;
    }
    Ok(())
}

fn round(
    sender: &mut impl Sender,
    acks: &mut [AckReader],
    numbers: std::ops::Range<u64>,
    gap_ns: u64,
) -> Result<Answer> {
    let room = (numbers.end - numbers.start) as usize;
    let (mut opening, mut stamps) = (Vec::with_capacity(room), Vec::with_capacity(room));
    for number in numbers {
        clock::spin_until(clock::now() + gap_ns);
        let began = clock::now();
        sender.prepare(number)?;
        let prepared = clock::now();
        opening.push(prepared - began);
        clock::spin_until(prepared + WRITING_NS);
        let stamp = clock::now();
        sender.send(stamp)?;
        stamps.push(stamp);
        for ack in acks.iter_mut() {
            ack.wait_for(number)?;
        }
    }
    Ok(Answer::Sent { opening, stamps, sums: Vec::new() })
}
