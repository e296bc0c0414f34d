//! The number of a picture as 32 blocks across its top: 24 bits of number, 8 bits of CRC.

use std::ops::Range;

use crate::planes::Planes;

const BLOCKS: usize = 32;

/// Paints the blocks of `number` into a picture `width` wide; `paint` gets the columns and the bit.
pub(super) fn write_number(number: u32, width: usize, mut paint: impl FnMut(Range<usize>, bool)) {
    assert!(number < 1 << 24, "{number} does not fit into 24 bits");
    let code = number << 8 | u32::from(crc(number));
    for block in 0..BLOCKS {
        let bit = code >> (BLOCKS - 1 - block) & 1 == 1;
        paint(columns(block, width), bit);
    }
}

/// The number of a picture; `None` when any row of the blocks says another number or none.
#[must_use]
pub fn read_number(picture: &Planes) -> Option<u32> {
    let width = usize::from(picture.format().width());
    let rows = usize::from(picture.format().height()) / 12;
    let mut codes = picture.y.chunks_exact(width).take(rows).map(|row| {
        let threshold = 1 << (picture.format().depth().bits() - 1);
        let bits = (0..BLOCKS).map(|block| {
            let columns = columns(block, width);
            u32::from(row[columns.start.midpoint(columns.end)] >= threshold)
        });
        bits.fold(0, |code, bit| code << 1 | bit)
    });
    let code = codes.next()?;
    let number = code >> 8;
    (codes.all(|other| other == code) && code & 0xff == u32::from(crc(number))).then_some(number)
}

fn columns(block: usize, width: usize) -> Range<usize> {
    width * block / BLOCKS..width * (block + 1) / BLOCKS
}

/// CRC-8 (polynomial 0x07) that starts at 0xa5, so that an all-black row is no number.
fn crc(number: u32) -> u8 {
    number.to_be_bytes()[1..].iter().fold(0xa5, |crc, octet| {
        (0..8).fold(crc ^ octet, |crc, _| if crc & 0x80 == 0 { crc << 1 } else { crc << 1 ^ 0x07 })
    })
}
