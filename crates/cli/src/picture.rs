//! Y′CbCr pgroups to 8-bit R′G′B′, in exact integers.
//!
//! Narrow range (Y′ 16…235, Cb and Cr 16…240 at 8 bits, ×4 at 10 bits; BT.709-6 §3, BT.601-7 §2.5.3) to full
//! range, rounded half up and clamped. Both pixels of a pgroup take its chroma as it is.

use media::{Depth, VideoFormat};

/// The matrix of a Y′CbCr signal, by its luma coefficients in ten-thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Matrix {
    kr: i64,
    kb: i64,
}

const UNIT: i64 = 10_000;

impl Matrix {
    /// BT.601: standard definition.
    pub(crate) const BT601: Self = Self { kr: 2_990, kb: 1_140 };
    /// BT.709: high definition.
    pub(crate) const BT709: Self = Self { kr: 2_126, kb: 722 };

    /// What pictures of this height usually are: BT.601 up to 576 rows.
    pub(crate) const fn usual(rows: u16) -> Self {
        if rows <= 576 { Self::BT601 } else { Self::BT709 }
    }
}

/// Converts rows of one format.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowConverter {
    depth: Depth,
    width: usize,
    /// R′ = (luma × (Y′ − black) + red_cr × (Cr − zero)) / unit, and so on.
    luma: i64,
    red_cr: i64,
    blue_cb: i64,
    green_cb: i64,
    green_cr: i64,
    unit: i64,
    black: i64,
    zero: i64,
}

impl RowConverter {
    pub(crate) fn new(format: &VideoFormat, matrix: Matrix) -> Self {
        let Matrix { kr, kb } = matrix;
        let kg = UNIT - kr - kb;
        // Everything over the common divisor 219 × 224 × UNIT × kg (× 4 at 10 bits); white is 255.
        let scale = match format.depth() {
            Depth::Bits8 => 1,
            Depth::Bits10 => 4,
        };
        let chroma = 255 * 219 * 2;
        Self {
            depth: format.depth(),
            width: format.width().into(),
            luma: 255 * 224 * UNIT * kg,
            red_cr: chroma * (UNIT - kr) * kg,
            blue_cb: chroma * (UNIT - kb) * kg,
            green_cb: chroma * kb * (UNIT - kb),
            green_cr: chroma * kr * (UNIT - kr),
            unit: 219 * 224 * UNIT * kg * scale,
            black: 16 * scale,
            zero: 128 * scale,
        }
    }

    /// Converts one row of pgroups into `rgb`, three octets a pixel. Fill of an odd width is left out.
    pub(crate) fn convert(&self, row: &[u8], rgb: &mut Vec<u8>) {
        let end = rgb.len() + 3 * self.width;
        match self.depth {
            Depth::Bits8 => row.chunks_exact(4).for_each(|group| {
                let [cb, y0, cr, y1] = [group[0], group[1], group[2], group[3]].map(i64::from);
                self.pair(cb, y0, cr, y1, rgb);
            }),
            Depth::Bits10 => row.chunks_exact(5).for_each(|group| {
                let [cb, y0, cr, y1] = unpack10(group);
                self.pair(cb, y0, cr, y1, rgb);
            }),
        }
        rgb.truncate(end);
    }

    fn pair(&self, cb: i64, y0: i64, cr: i64, y1: i64, rgb: &mut Vec<u8>) {
        let (cb, cr) = (cb - self.zero, cr - self.zero);
        let red = self.red_cr * cr;
        let green = self.green_cb * cb + self.green_cr * cr;
        let blue = self.blue_cb * cb;
        for y in [y0, y1] {
            let luma = self.luma * (y - self.black);
            rgb.extend([luma + red, luma - green, luma + blue].map(|value| self.rounded(value)));
        }
    }

    /// `value / unit` to the nearest integer, half up, within 0…255. |value| < 10¹⁷.
    fn rounded(&self, value: i64) -> u8 {
        let nearest = (2 * value + self.unit).div_euclid(2 * self.unit);
        nearest.clamp(0, 255) as u8
    }
}

/// The samples of a 10-bit pgroup (RFC 4175 §4.3: Cb Y0 Cr Y1, most significant bit first):
///
/// ```text
/// CCCCCCCC CCYYYYYY YYYYCCCC CCCCCCYY YYYYYYYY
/// ```
fn unpack10(group: &[u8]) -> [i64; 4] {
    let [a, b, c, d, e] = [group[0], group[1], group[2], group[3], group[4]].map(i64::from);
    [a << 2 | b >> 6, (b & 0x3f) << 4 | c >> 4, (c & 0x0f) << 6 | d >> 2, (d & 0x03) << 8 | e]
}

/// One row of black: what stands in for a line that was lost.
pub(crate) fn black_row(format: &VideoFormat) -> Vec<u8> {
    // Cb 128, Y′ 16; ×4 at 10 bits: 512, 64.
    let group: &[u8] = match format.depth() {
        Depth::Bits8 => &[128, 16, 128, 16],
        Depth::Bits10 => &[0x80, 0x04, 0x08, 0x00, 0x40],
    };
    group.repeat(format.row_pgroups().into())
}

#[cfg(test)]
mod tests;
