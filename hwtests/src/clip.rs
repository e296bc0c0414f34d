//! A clip: numbered test pictures in files, made before anything is sent. Cameras play it; the verifier
//! holds what arrives against it.

use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use media::VideoFormat;

use crate::pattern::Pattern;
use crate::planes::Layout;

/// Test pictures on disk, in the wire's layout and as planes.
#[derive(Clone, Debug)]
pub struct Clip {
    format: VideoFormat,
    numbers: Range<u32>,
    wire: PathBuf,
    planar: PathBuf,
}

impl Clip {
    /// Makes `frames` pictures of `pattern`, from number 1 on, as `folder/name.wire` and `folder/name.planar`.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn make(pattern: &Pattern, frames: u32, folder: &Path, name: &str) -> Result<Self> {
        let path = |extension: &str| folder.join(format!("{name}.{extension}"));
        let (wire, planar) = (path("wire"), path("planar"));
        let create = |path: &Path| File::create(path).with_context(|| format!("cannot make {}", path.display()));
        let mut wire_file = BufWriter::new(create(&wire)?);
        let mut planar_file = BufWriter::new(create(&planar)?);
        let numbers = 1..frames + 1;
        for number in numbers.clone() {
            let picture = pattern.picture(number);
            wire_file.write_all(&picture.octets(Layout::Wire)).context("cannot write a clip")?;
            planar_file.write_all(&picture.octets(Layout::Planar)).context("cannot write a clip")?;
        }
        wire_file.flush().context("cannot write a clip")?;
        planar_file.flush().context("cannot write a clip")?;
        Ok(Self { format: *pattern.format(), numbers, wire, planar })
    }

    /// The format of its pictures.
    #[must_use]
    pub fn format(&self) -> &VideoFormat {
        &self.format
    }

    /// The numbers of its pictures.
    #[must_use]
    pub fn numbers(&self) -> Range<u32> {
        self.numbers.clone()
    }

    /// The file of a layout.
    #[must_use]
    pub fn path(&self, layout: Layout) -> &Path {
        match layout {
            Layout::Wire => &self.wire,
            Layout::Planar => &self.planar,
        }
    }

    /// The octets of picture `number`.
    ///
    /// # Errors
    /// When there is no picture of that number, or the file cannot be read.
    pub fn frame(&self, number: u32, layout: Layout) -> Result<Vec<u8>> {
        ensure!(self.numbers.contains(&number), "the clip has no picture {number}");
        let octets = layout.frame_octets(&self.format);
        let at = u64::from(number - self.numbers.start) * octets as u64;
        let mut file = File::open(self.path(layout)).context("the clip is gone")?;
        file.seek(SeekFrom::Start(at)).context("the clip is cut short")?;
        let mut frame = vec![0; octets];
        file.read_exact(&mut frame).context("the clip is cut short")?;
        Ok(frame)
    }
}
