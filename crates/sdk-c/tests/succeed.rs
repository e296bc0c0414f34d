//! A flow that goes on in another format: produced by way of the C functions, read by the C example.
#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]
#![allow(unsafe_code, reason = "they are C's functions")]

#[path = "stage/broker.rs"]
mod stage;

use std::ffi::{CStr, CString};
use std::io::{BufRead as _, BufReader};
use std::os::unix::ffi::OsStrExt as _;
use std::process::Stdio;
use std::ptr;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use flypack::Status::{self, *};
use flypack::format::{FLYPACK_VIDEO, FLYPACK_YCBCR_422};
use flypack::last_error::flypack_last_error_text;
use flypack::producer::*;
use flypack::session::{flypack_connect, flypack_produce, flypack_session_close};
use flypack::{Format, Layout, Producer, Video};

use stage::{Stage, example, sum};

fn check(status: Status) {
    // SAFETY: never null, and good until the next call that fails.
    let text = unsafe { CStr::from_ptr(flypack_last_error_text()) };
    assert_eq!(status, FLYPACK_OK, "{}", text.to_string_lossy());
}

fn format(width: u32) -> Format {
    let video = Video { width, height: 180, sampling: FLYPACK_YCBCR_422, bits: 10, rate_num: 50, rate_den: 1 };
    Format { kind: FLYPACK_VIDEO, video, ..Format::default() }
}

/// A program that produces "gfx".
struct Program {
    producer: *mut Producer,
    index: u64,
}

impl Program {
    fn start(stage: &Stage) -> Self {
        let path = CString::new(stage.socket().as_os_str().as_bytes()).unwrap();
        let (mut session, mut producer, mut index) = (ptr::null_mut(), ptr::null_mut(), 0);
        // SAFETY: texts, a format, and where the results go, all of which outlive the calls; each handle is used while
        // it is open.
        unsafe {
            check(flypack_connect(path.as_ptr(), &raw mut session));
            let format = format(320);
            check(flypack_produce(session, c"gfx".as_ptr(), &raw const format, ptr::null(), &raw mut producer));
            flypack_session_close(session);
            check(flypack_producer_index_now(producer, &raw mut index));
        }
        Self { producer, index }
    }

    fn layout(&self) -> Layout {
        let mut layout = Layout::default();
        // SAFETY: an open handle, and where the result goes.
        check(unsafe { flypack_producer_layout(self.producer, &raw mut layout) });
        layout
    }

    /// Opens the next grain when it is due.
    fn open(&mut self) -> u64 {
        let (mut now, mut grain) = (0, 0);
        self.index += 1;
        // SAFETY: an open handle, and where the results go.
        unsafe {
            while now < self.index {
                check(flypack_producer_poll(self.producer));
                check(flypack_producer_index_now(self.producer, &raw mut now));
                std::thread::sleep(Duration::from_millis(1));
            }
            check(flypack_producer_open(self.producer, self.index, ptr::null(), &raw mut grain));
        }
        grain
    }

    /// As produce.c: every octet of a line is the low octet of index + line. Gives back where the last line lies.
    fn write(&mut self, grain: u64) -> *const u8 {
        let layout = self.layout();
        let (mut lines, mut octets) = (ptr::null_mut(), 0);
        for line in 0..layout.slices {
            // SAFETY: an open handle, and where the results go; what they say may be written until it is committed.
            unsafe {
                check(flypack_producer_lines(self.producer, grain, line, 1, &raw mut lines, &raw mut octets));
                lines.write_bytes((self.index + u64::from(line)) as u8, octets);
            }
        }
        // SAFETY: an open handle.
        check(unsafe { flypack_producer_commit(self.producer, grain, ptr::null()) });
        lines
    }

    /// Writes grains until the consumer has printed so many lines; all that it has printed.
    fn until(&mut self, lines: usize, printed: &Receiver<String>, mut seen: Vec<String>) -> Vec<String> {
        while seen.len() < lines {
            match printed.try_recv() {
                Ok(line) => seen.push(line),
                Err(TryRecvError::Empty) => {
                    let grain = self.open();
                    self.write(grain);
                }
                Err(TryRecvError::Disconnected) => panic!("the consumer has ended after {seen:?}"),
            }
        }
        seen
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: open until now.
        unsafe { flypack_producer_close(self.producer) };
    }
}

#[test]
fn a_c_program_follows_a_flow_into_another_format() {
    let stage = Stage::new();
    let mut program = Program::start(&stage);
    let mut command = stage.command(&stage.compile(&example("consume.c")));
    let mut consumer = command.arg(stage.socket()).args(["gfx", "9"]).stdout(Stdio::piped()).spawn().unwrap();
    let output = BufReader::new(consumer.stdout.take().unwrap());
    let (print, printed) = std::sync::mpsc::channel();
    let reading = std::thread::spawn(move || {
        for line in output.lines() {
            print.send(line.unwrap()).unwrap();
        }
    });
    let seen = program.until(3, &printed, Vec::new());

    let wider = format(640);
    let grain = program.open();
    // SAFETY: an open handle, and a format.
    let early = unsafe { flypack_producer_succeed(program.producer, &raw const wider, 0) };
    assert_eq!(early, FLYPACK_E_GRAIN_OPEN);
    let mut memory = ptr::null_mut();
    // SAFETY: an open handle, and where the result goes.
    check(unsafe { flypack_producer_memory(program.producer, &raw mut memory) });
    let last = program.write(grain);
    // SAFETY: an open handle, and a format.
    check(unsafe { flypack_producer_succeed(program.producer, &raw const wider, 0) });
    assert_eq!(program.layout().format, wider);
    // SAFETY: kept where it is by `memory`, which is released afterwards and once.
    unsafe {
        assert_eq!(last.read(), (program.index + 179) as u8);
        flypack_memory_release(memory);
    }

    let seen = program.until(9, &printed, seen);
    assert!(consumer.wait().unwrap().success());
    reading.join().unwrap();
    let factors = seen.iter().map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        let (index, read): (u64, u64) = (words[0].parse().unwrap(), words[1].parse().unwrap());
        assert_eq!((read % sum(index), words[2]), (0, "copied"), "grain {index}");
        read / sum(index)
    });
    let factors: Vec<u64> = factors.collect();
    assert!(factors.is_sorted() && factors.starts_with(&[1, 1, 1]) && factors.ends_with(&[2]), "{factors:?}");
}
