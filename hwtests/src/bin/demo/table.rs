//! The table at the end.

use hwtests::Tally;
use media::VideoFormat;

/// One way of a flow: from a camera to somebody who took it.
pub(crate) struct Row {
    pub(crate) from: &'static str,
    pub(crate) to: &'static str,
    pub(crate) format: VideoFormat,
    pub(crate) tally: Judged,
    /// Frames that the frame synchroniser repeated.
    pub(crate) repeated: u64,
    /// Frames that it dropped.
    pub(crate) dropped: u64,
    pub(crate) lost: Lost,
    pub(crate) copied: Copied,
}

/// Packets lost on a way, by place.
#[derive(Clone, Copy)]
pub(crate) struct Lost {
    /// Never reached a socket, or was refused by the kernel.
    pub(crate) wire: u64,
    /// Found no room in the receiving socket.
    pub(crate) socket: u64,
    /// Found no slot, or was not sent in time.
    pub(crate) ring: u64,
}

/// Octets copied for one frame.
#[derive(Clone, Copy)]
pub(crate) struct Copied {
    pub(crate) by_us: u64,
    pub(crate) by_kernel: u64,
}

/// The frames that somebody took, and which of them count.
pub(crate) struct Judged {
    sent: usize,
    received: usize,
    counted: Tally,
    /// Frames that need not be among the counted ones.
    edge_frames: usize,
}

impl Judged {
    /// Our own consumer: every frame that was sent must be there.
    pub(crate) fn whole(tally: &Tally) -> Self {
        Self { sent: tally.sent.len(), received: tally.verdicts.len(), counted: tally.clone(), edge_frames: 0 }
    }

    /// A peer: its first and last frame do not count, and FFmpeg withholds up to three more at its ends.
    pub(crate) fn inner(tally: &Tally) -> Self {
        Self { sent: tally.sent.len(), received: tally.verdicts.len(), counted: tally.inner(), edge_frames: 5 }
    }

    /// Whether the counted frames are all there once, in order, bit by bit.
    fn is_right(&self) -> bool {
        let counted = &self.counted;
        let flaws = counted.corrupt() + counted.missing() + counted.repeated() + counted.backwards();
        flaws == 0 && counted.exact() + self.edge_frames >= self.sent
    }
}

impl Row {
    /// Whether the frames that count are all right.
    pub(crate) fn is_right(&self) -> bool {
        self.tally.is_right()
    }

    fn cells(&self) -> [String; 12] {
        let counted = &self.tally.counted;
        [
            self.from.to_owned(),
            self.to.to_owned(),
            format!("{}x{}p{}", self.format.width(), self.format.height(), self.format.rate()),
            self.tally.sent.to_string(),
            self.tally.received.to_string(),
            format!("{} of {}", counted.exact(), counted.verdicts.len()),
            counted.missing().to_string(),
            format!("{}/{}", self.repeated, self.dropped),
            format!("{}/{}/{}", self.lost.wire, self.lost.socket, self.lost.ring),
            self.copied.by_us.to_string(),
            self.copied.by_kernel.to_string(),
            if self.is_right() { "ok" } else { "WRONG" }.to_owned(),
        ]
    }
}

const HEADS: [&str; 12] = [
    "camera",
    "taken by",
    "format",
    "sent",
    "received",
    "bit-exact",
    "missing",
    "sync",
    "lost w/s/r",
    "copied: us",
    "kernel, driver",
    "",
];

/// The rows under their heads, and what the heads mean.
pub(crate) fn render(rows: &[Row]) -> String {
    let lines: Vec<[String; 12]> =
        std::iter::once(HEADS.map(str::to_owned)).chain(rows.iter().map(Row::cells)).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max().unwrap_or_default();
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().enumerate().map(|(column, cell)| format!("{cell:<width$}", width = width(column)));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text.push_str(
        "\nbit-exact: all frames of the viewer count, all but the first and last of a receiver. sync: frames repeated\n\
         and dropped by the frame synchroniser. lost: packets on the wire, in the receiving socket, at the ring.\n\
         copied: octets per frame, by us and by the kernel's sockets or the port's driver, which copies headers too (and\n\
         net_af_packet twice on the way in); a sender's are the mean of its round.\n",
    );
    text
}
