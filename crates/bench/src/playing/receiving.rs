//! A receiver: takes each message, notes when it has it, lets it go and says so.

use anyhow::{Result, bail, ensure};

use crate::ring::AckWriter;
use crate::role::{Answer, Command, Inbox, Receiver, Role, answer};

pub(super) fn run(mut receiver: impl Receiver, inbox: &Inbox, role: &Role) -> Result<()> {
    let mut acks = AckWriter::create(role)?;
    role.pin()?;
    answer(&Answer::Done)?;
    let mut next = 0;
    let mut command = inbox.next()?;
    while let Some(told) = command.take() {
        match told {
            Command::Host => {
                command = inbox.host(|| acks.host())?;
                continue;
            }
            Command::Connect { .. } => {
                receiver.connect()?;
                answer(&Answer::Done)?;
            }
            Command::Round { messages, .. } => {
                answer(&Answer::Armed)?;
                let received = round(&mut receiver, &mut acks, next..next + u64::from(messages))?;
                next += u64::from(messages);
                answer(&received)?;
            }
            other => bail!("a receiver cannot {other:?}"),
        }
        command = inbox.next()?;
    }
    Ok(())
}

fn round(receiver: &mut impl Receiver, acks: &mut AckWriter, numbers: std::ops::Range<u64>) -> Result<Answer> {
    let room = (numbers.end - numbers.start) as usize;
    let (mut seen, mut stamps) = (Vec::with_capacity(room), Vec::with_capacity(room));
    for number in numbers {
        let taken = receiver.take()?;
        seen.push(taken.seen);
        if let Some(mark) = taken.mark {
            ensure!(mark.number == number, "message {} came where {number} was due", mark.number);
            stamps.push(mark.stamp);
        }
        receiver.release();
        acks.acknowledge(number)?;
    }
    Ok(Answer::Received { seen, stamps, sums: Vec::new() })
}
