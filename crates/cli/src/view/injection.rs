//! Injections as printed.

use control::v1;
use serde::Serialize;

use super::archive::state;
use super::present;

/// `inject`.
#[derive(Debug, Serialize)]
pub struct InjectionView {
    /// The port.
    pub port: String,
    /// The file on the gateway's disk.
    pub path: String,
    /// As of a recording.
    pub state: &'static str,
    /// Why it has ended, where that is not what was asked for.
    pub trouble: Option<String>,
    /// Packets that the port received.
    pub packets: u64,
    /// Packets that it had no buffer for.
    pub packets_dropped: u64,
    /// Packets that no port could receive: cut short in the file, too long, or the port's own.
    pub packets_skipped: u64,
    /// How late the latest of them was received, microseconds.
    pub longest_late_us: u64,
    /// Rounds that were completed.
    pub rounds: u64,
}

impl From<v1::Injection> for InjectionView {
    fn from(injection: v1::Injection) -> Self {
        Self {
            state: state(injection.state()),
            port: injection.port,
            path: injection.path,
            trouble: present(injection.trouble),
            packets: injection.packets,
            packets_dropped: injection.packets_dropped,
            packets_skipped: injection.packets_skipped,
            longest_late_us: injection.longest_late_us,
            rounds: injection.rounds,
        }
    }
}

impl InjectionView {
    pub(crate) fn text(&self) -> String {
        let Self { port, path, state, packets, packets_dropped, packets_skipped, longest_late_us, .. } = self;
        let text = format!(
            "{path} -> {port}: {state}\n  received         {packets}\n  no buffer        {packets_dropped}\n  \
             skipped          {packets_skipped}\n  latest           {longest_late_us} us after its time\n"
        );
        text + &self.trouble.iter().map(|trouble| format!("  {trouble}\n")).collect::<String>()
    }
}
