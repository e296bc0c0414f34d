//! What a figure was measured on.

use std::fs;

use serde::Serialize;

/// The machine and the programs of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Model of the processor.
    pub processor: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Whether it is a virtual machine.
    pub is_virtual: bool,
    /// Release of the kernel.
    pub kernel: String,
    /// Frequency governor of core 0, where one can be seen.
    pub governor: Option<String>,
    /// Cores that the kernel keeps free of others' work; empty: none.
    pub isolated_cores: String,
    /// The counter behind the clock.
    pub clock_source: String,
    /// One reading of it, ns.
    pub clock_cost_ns: f64,
    /// Hugepages of 2 MiB: all, and free.
    pub huge_pages: [u64; 2],
    /// Load of the last minute, when the run began: 0 is quiet.
    pub load: f64,
    /// Version of this program.
    pub flypack: &'static str,
    /// Version of the rival, where it is built in.
    pub iceoryx2: Option<&'static str>,
    /// How this program was compiled.
    pub profile: &'static str,
}

impl Machine {
    /// Looks at this one.
    #[must_use]
    pub fn look() -> Self {
        let processors = read("/proc/cpuinfo");
        let memory = read("/proc/meminfo");
        let pages = |key| field(&memory, key).and_then(|value| value.parse().ok()).unwrap_or(0);
        let load = read("/proc/loadavg");
        Self {
            processor: field(&processors, "model name").unwrap_or("unknown").to_owned(),
            cores: core_affinity::get_core_ids().map_or(1, |cores| cores.len()),
            is_virtual: field(&processors, "flags").is_some_and(|flags| flags.contains("hypervisor")),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            governor: line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            isolated_cores: line("/sys/devices/system/cpu/isolated").unwrap_or_default(),
            clock_source: line("/sys/devices/system/clocksource/clocksource0/current_clocksource").unwrap_or_default(),
            clock_cost_ns: crate::clock::cost_ns(),
            huge_pages: [pages("HugePages_Total"), pages("HugePages_Free")],
            load: load.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0),
            flypack: env!("CARGO_PKG_VERSION"),
            iceoryx2: crate::peer::ICEORYX2,
            profile: if cfg!(debug_assertions) { "development" } else { "release" },
        }
    }

    /// In one paragraph.
    #[must_use]
    pub fn text(&self) -> String {
        let governor = self.governor.as_deref().map_or("not shown".to_owned(), str::to_owned);
        let place = if self.is_virtual { "virtual machine" } else { "bare metal" };
        let [pages, free] = self.huge_pages;
        let isolated = if self.isolated_cores.is_empty() { "none" } else { &self.isolated_cores };
        let rival = self.iceoryx2.map_or(String::new(), |version| format!(", iceoryx2 {version}"));
        format!(
            "{}, {} cores, {place}; Linux {}; governor {governor}; isolated cores: {isolated}; clock {} ({:.0} ns a \
             reading); 2 MiB pages: {pages}, free {free}; load {}; flypack {} ({}){rival}",
            self.processor,
            self.cores,
            self.kernel,
            self.clock_source,
            self.clock_cost_ns,
            self.load,
            self.flypack,
            self.profile
        )
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn line(path: &str) -> Option<String> {
    Some(read(path).trim().to_owned()).filter(|line| !line.is_empty())
}

/// The first value of `key` in lines of "key : value".
fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let mut values = text.lines().filter_map(|line| line.split_once(':'));
    values.find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text = "HugePages_Total:      12\nHugePages_Free: 3\nmodel\t\t: 2\nmodel name\t: X Y\n";
        assert_eq!(field(text, "HugePages_Total"), Some("12"));
        assert_eq!(field(text, "model name"), Some("X Y"));
        assert_eq!(field(text, "HugePages"), None);
    }
}
