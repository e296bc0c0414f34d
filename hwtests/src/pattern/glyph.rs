//! Digits and the letter F in a 3 × 5 raster.

/// Calls `dot(column, row)` for each lit cell of a glyph; an unknown one is blank.
pub(super) fn draw(glyph: char, mut dot: impl FnMut(usize, usize)) {
    let rows: [u8; 5] = match glyph {
        '0' => [0b111, 0b101, 0b101, 0b101, 0b111],
        '1' => [0b010, 0b110, 0b010, 0b010, 0b111],
        '2' => [0b111, 0b001, 0b111, 0b100, 0b111],
        '3' => [0b111, 0b001, 0b111, 0b001, 0b111],
        '4' => [0b101, 0b101, 0b111, 0b001, 0b001],
        '5' => [0b111, 0b100, 0b111, 0b001, 0b111],
        '6' => [0b111, 0b100, 0b111, 0b101, 0b111],
        '7' => [0b111, 0b001, 0b010, 0b010, 0b010],
        '8' => [0b111, 0b101, 0b111, 0b101, 0b111],
        '9' => [0b111, 0b101, 0b111, 0b001, 0b111],
        'F' => [0b111, 0b100, 0b110, 0b100, 0b100],
        _ => [0; 5],
    };
    for (y, row) in rows.into_iter().enumerate() {
        (0..3).filter(|x| row >> (2 - x) & 1 == 1).for_each(|x| dot(x, y));
    }
}
