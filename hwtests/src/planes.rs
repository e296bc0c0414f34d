//! A picture as three planes of samples, and the two octet layouts that travel: the wire's pgroups and
//! FFmpeg's planes.

use media::{Depth, VideoFormat};

/// How the octets of a frame are arranged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// RFC 4175 pgroups, rows unpadded; GStreamer's `UYVP` and `UYVY`, FFmpeg's `bitpacked`.
    Wire,
    /// FFmpeg's `yuv422p10le`: Y, then Cb, then Cr, each sample in two octets, little-endian.
    Planar,
}

impl Layout {
    /// Octets of one frame.
    #[must_use]
    pub fn frame_octets(self, format: &VideoFormat) -> usize {
        match self {
            Self::Wire => format.frame_octets() as usize,
            Self::Planar => usize::from(format.width()) * usize::from(format.height()) * 4,
        }
    }
}

/// One picture of even width. Samples have the format's depth; chroma planes are half as wide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planes {
    format: VideoFormat,
    /// Luma, row by row.
    pub y: Vec<u16>,
    /// Blue difference.
    pub cb: Vec<u16>,
    /// Red difference.
    pub cr: Vec<u16>,
}

impl Planes {
    /// A black picture.
    #[must_use]
    pub fn black(format: VideoFormat) -> Self {
        assert_eq!(format.width() % 2, 0, "test pictures are of even width");
        let luma = usize::from(format.width()) * usize::from(format.height());
        let (black, grey) = match format.depth() {
            Depth::Bits8 => (16, 128),
            Depth::Bits10 => (64, 512),
        };
        Self { format, y: vec![black; luma], cb: vec![grey; luma / 2], cr: vec![grey; luma / 2] }
    }

    /// Its format.
    #[must_use]
    pub fn format(&self) -> &VideoFormat {
        &self.format
    }

    /// The octets of the picture in `layout`.
    #[must_use]
    pub fn octets(&self, layout: Layout) -> Vec<u8> {
        match layout {
            Layout::Wire => self.wire(),
            Layout::Planar => {
                [&self.y, &self.cb, &self.cr].into_iter().flatten().flat_map(|s| s.to_le_bytes()).collect()
            }
        }
    }

    /// The picture out of its octets; `None` when there are not exactly one frame's.
    #[must_use]
    pub fn from_octets(format: VideoFormat, layout: Layout, octets: &[u8]) -> Option<Self> {
        if octets.len() != layout.frame_octets(&format) {
            return None;
        }
        let mut planes = Self::black(format);
        match layout {
            Layout::Wire => planes.read_wire(octets),
            Layout::Planar => {
                let samples = planes.y.iter_mut().chain(&mut planes.cb).chain(&mut planes.cr);
                for (sample, pair) in samples.zip(octets.chunks_exact(2)) {
                    *sample = u16::from_le_bytes([pair[0], pair[1]]);
                }
            }
        }
        Some(planes)
    }

    fn wire(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.format.frame_octets() as usize);
        let chroma = self.cb.iter().zip(&self.cr);
        for ((&cb, &cr), luma) in chroma.zip(self.y.chunks_exact(2)) {
            // RFC 4175 §4.3: Cb Y0 Cr Y1, most significant bits first.
            match self.format.depth() {
                Depth::Bits8 => out.extend([cb as u8, luma[0] as u8, cr as u8, luma[1] as u8]),
                Depth::Bits10 => {
                    let group = [cb, luma[0], cr, luma[1]].iter().fold(0, |group, &s| group << 10 | u64::from(s));
                    out.extend_from_slice(&group.to_be_bytes()[3..]);
                }
            }
        }
        out
    }

    fn read_wire(&mut self, octets: &[u8]) {
        let groups = octets.chunks_exact(usize::from(self.format.pgroup().octets));
        for (at, group) in groups.enumerate() {
            let samples = match self.format.depth() {
                Depth::Bits8 => [group[0], group[1], group[2], group[3]].map(u16::from),
                Depth::Bits10 => {
                    let bits = group.iter().fold(0_u64, |bits, &octet| bits << 8 | u64::from(octet));
                    [30, 20, 10, 0].map(|shift| (bits >> shift & 0x3ff) as u16)
                }
            };
            [self.cb[at], self.y[2 * at], self.cr[at], self.y[2 * at + 1]] = samples;
        }
    }
}

#[cfg(test)]
mod tests {
    use media::{Rate, Sampling};

    use super::*;

    fn format(depth: Depth) -> VideoFormat {
        VideoFormat::new(4, 2, Sampling::YCbCr422, depth, Rate::new(25, 1).unwrap()).unwrap()
    }

    fn counted(depth: Depth) -> Planes {
        let mut planes = Planes::black(format(depth));
        let samples = planes.y.iter_mut().chain(&mut planes.cb).chain(&mut planes.cr);
        samples.zip(1..).for_each(|(sample, n)| *sample = n * 7);
        planes
    }

    #[test]
    fn a_ten_bit_pgroup_has_the_bits_where_the_rfc_has_them() {
        let mut planes = Planes::black(format(Depth::Bits10));
        (planes.cb[0], planes.y[0], planes.cr[0], planes.y[1]) = (0x3ff, 0, 0x201, 0x155);
        // Cb[9:2] | Cb[1:0] Y0[9:4] | Y0[3:0] Cr[9:6] | Cr[5:0] Y1[9:8] | Y1[7:0]
        assert_eq!(planes.octets(Layout::Wire)[..5], [0xff, 0xc0, 0x08, 0x05, 0x55]);
    }

    #[test]
    fn both_layouts_come_back_as_they_were() {
        for depth in [Depth::Bits8, Depth::Bits10] {
            let planes = counted(depth);
            for layout in [Layout::Wire, Layout::Planar] {
                let octets = planes.octets(layout);
                assert_eq!(octets.len(), layout.frame_octets(planes.format()));
                assert_eq!(Planes::from_octets(*planes.format(), layout, &octets), Some(planes.clone()));
                assert_eq!(Planes::from_octets(*planes.format(), layout, &octets[1..]), None);
            }
        }
    }
}
