//! The smallest font that a browser takes: one glyph, a bar three times as wide as it is high, for the letter A.

/// Its advance, in ems.
pub const WIDTH: u32 = 3;
const EM: u16 = 1_000;
const ADVANCE: u16 = EM * WIDTH as u16;

/// The font file (OpenType 1.9 with TrueType outlines).
pub fn font() -> Vec<u8> {
    let mut tables: Vec<(&[u8; 4], Vec<u8>)> = vec![
        (b"OS/2", os2()),
        (b"cmap", cmap()),
        (b"glyf", glyf()),
        (b"head", head()),
        (b"hhea", words(&[1, 0, 800, 65_336, 0, ADVANCE, 0, 0, ADVANCE, 1, 0, 0, 0, 0, 0, 0, 0, 2])),
        (b"hmtx", words(&[ADVANCE, 0, ADVANCE, 0])),
        // An empty glyph for what is missing, then the bar.
        (b"loca", words(&[0, 0, glyf().len() as u16 / 2])),
        (b"maxp", words(&[1, 0, 2, 4, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0])),
        (b"name", name()),
        (b"post", words(&[3, 0, 0, 0, 0, 50, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])),
    ];
    let count = tables.len() as u16;
    let mut file = words(&[1, 0, count, 128, 3, count * 16 - 128]);
    let mut at = file.len() + tables.len() * 16;
    for (tag, table) in &mut tables {
        file.extend_from_slice(*tag);
        let length = table.len();
        table.resize(length.next_multiple_of(4), 0);
        for number in [checksum(table), at as u32, length as u32] {
            file.extend(number.to_be_bytes());
        }
        at += table.len();
    }
    tables.into_iter().for_each(|(_, table)| file.extend(table));
    file
}

fn words(words: &[u16]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn checksum(table: &[u8]) -> u32 {
    let words = table.chunks(4).map(|word| u32::from_be_bytes([word[0], word[1], word[2], word[3]]));
    words.fold(0, u32::wrapping_add)
}

fn head() -> Vec<u8> {
    // Version, revision, adjustment (browsers do not check it), magic, flags, units; two dates; the box; style, size, direction, formats.
    let mut table = words(&[1, 0, 1, 0, 0, 0, 0x5F0F, 0x3CF5, 0, EM]);
    table.extend([0; 16]);
    table.extend(words(&[0, 0, ADVANCE, EM, 0, 8, 2, 0, 0]));
    table
}

fn os2() -> Vec<u8> {
    // Version 4: average, weight, width class, embedding, eight of sub- and superscripts, two of strikeout, family class.
    let mut table = words(&[4, ADVANCE, 400, 5, 0, 650, 600, 0, 75, 650, 600, 0, 350, 50, 250, 0]);
    table.extend([0; 10]);
    table.extend(words(&[0, 1, 0, 0, 0, 0, 0, 0]));
    table.extend(b"test");
    table.extend(words(&[0x40, 65, 65, 800, 65_336, 0, 1_000, 200, 0, 1, 0, 0, 500, 700, 0, 32, 1]));
    table
}

fn cmap() -> Vec<u8> {
    // One table for Windows and Unicode, format 4: the segment of A, and the one that ends all.
    words(&[0, 1, 3, 1, 0, 12, 4, 32, 0, 4, 4, 1, 0, 65, 0xFFFF, 0, 65, 0xFFFF, 65_472, 1, 0, 0])
}

fn glyf() -> Vec<u8> {
    // One contour with its box; four points, no instructions; then whether on the curve, and where.
    let mut table = words(&[1, 0, 0, ADVANCE, EM, 3, 0]);
    table.extend([1; 4]);
    table.extend(words(&[0, ADVANCE, 0, 0_u16.wrapping_sub(ADVANCE), 0, 0, EM, 0]));
    table
}

fn name() -> Vec<u8> {
    let text: Vec<u8> = "Wide".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let records = [1_u16, 2, 4, 6];
    let mut table = words(&[0, records.len() as u16, 6 + 12 * records.len() as u16]);
    for id in records {
        table.extend(words(&[3, 1, 0x409, id, text.len() as u16, 0]));
    }
    table.extend(text);
    table
}
