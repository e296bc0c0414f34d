//! A gateway process in a folder of its own.

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Signal, kill_process};

static FOLDERS: AtomicU8 = AtomicU8::new(1);

/// A folder with a configuration, and a loopback address that no other test uses.
pub(super) struct Folder {
    folder: tempfile::TempDir,
    pub(super) address: Ipv4Addr,
    pub(super) port: u16,
}

impl Folder {
    pub(super) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("flypackd-").tempdir().unwrap();
        let pid = std::process::id() as u16;
        let address = Ipv4Addr::new(127, (pid >> 8) as u8, pid as u8 | 1, FOLDERS.fetch_add(1, Ordering::Relaxed));
        let port = UdpSocket::bind((address, 0)).unwrap().local_addr().unwrap().port();
        let new = Self { folder, address, port };
        std::fs::write(new.path("cam.sdp"), new.sdp()).unwrap();
        new
    }

    /// A small picture at 50 frames per second to this folder's address.
    pub(super) fn sdp(&self) -> String {
        let Self { address, port, .. } = self;
        format!(
            "v=0\r\no=- 1 1 IN IP4 {address}\r\ns=test\r\nt=0 0\r\nm=video {port} RTP/AVP 96\r\nc=IN IP4 {address}\r\n\
             a=rtpmap:96 raw/90000\r\na=fmtp:96 sampling=YCbCr-4:2:2; width=320; height=180; exactframerate=50; \
             depth=10; colorimetry=BT709; PM=2110GPM; SSN=ST2110-20:2017\r\n\
             a=ts-refclk:localmac=02-00-00-00-00-01\r\na=mediaclk:sender\r\n"
        )
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn endpoint(&self) -> String {
        format!("unix:{}", self.path("api.sock").display())
    }

    /// Writes the configuration: this folder's sockets, no metrics, unless `text` has these tables itself.
    pub(super) fn write_config(&self, text: &str) {
        let mut whole = format!("{text}\n");
        if !text.contains("[metrics]") {
            whole += "[metrics]\nlisten = \"\"\n";
        }
        whole += &format!("[api]\nlisten = \"{}\"\n", self.endpoint());
        whole = if text.contains("[broker]") {
            whole.replace("[broker]", "[broker]\nsocket = \"broker.sock\"")
        } else {
            whole + "[broker]\nsocket = \"broker.sock\"\n"
        };
        std::fs::write(self.path("flypackd.toml"), whole).unwrap();
    }

    fn command(&self, config: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flypackd"));
        command.arg("--config").arg(self.path(config)).env("FLYPACK_LOG", "info").stdin(Stdio::null());
        command
    }

    pub(super) fn run_to_end(&self, config: &str) -> Output {
        self.command(config).output().unwrap()
    }

    /// Starts a gateway without waiting for anything.
    pub(super) fn spawn(&self, text: &str) -> Child {
        self.write_config(text);
        self.command("flypackd.toml").stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Starts a gateway and waits until it says that it is ready.
    pub(super) fn start(&self, text: &str) -> Flypackd {
        self.write_config(text);
        self.launch()
    }

    /// Starts a gateway with the configuration that is there, and waits until it says that it is ready.
    pub(super) fn launch(&self) -> Flypackd {
        let mut child = self.command("flypackd.toml").stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        loop {
            let mut line = String::new();
            let read = lines.read_line(&mut line).unwrap();
            log.lock().unwrap().push_str(&line);
            assert!(read > 0, "flypackd ended: {}", log.lock().unwrap());
            if line.contains("ready") {
                break;
            }
        }
        let rest = Arc::clone(&log);
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = lines.read_to_string(&mut text);
            rest.lock().unwrap().push_str(&text);
        });
        Flypackd { child, log, reader: Some(reader) }
    }
}

/// A running gateway; killed when it drops.
pub(super) struct Flypackd {
    child: Child,
    log: Arc<Mutex<String>>,
    reader: Option<std::thread::JoinHandle<()>>,
}

impl Flypackd {
    /// SIGTERM, and its exit status.
    pub(super) fn terminate(&mut self) -> ExitStatus {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        self.end()
    }

    /// SIGKILL.
    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.end();
    }

    fn end(&mut self) -> ExitStatus {
        let status = self.child.wait().unwrap();
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        status
    }

    /// What it logged so far; all of it once it has ended.
    pub(super) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Flypackd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everything that a process said on stderr.
pub(super) fn read_to_end(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
