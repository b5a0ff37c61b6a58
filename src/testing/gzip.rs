//! A gzip file of spaces, as small as the format allows without holding what it unpacks to (RFC 1951, RFC 1952).

pub(super) fn of_spaces(bytes: u32) -> Vec<u8> {
    let mut file = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut bits = Bits { file: &mut file, pending: 0, count: 0 };
    // One last block, of fixed Huffman codes.
    bits.push(0b1, 1);
    bits.push(0b01, 2);
    let copies = bytes.saturating_sub(1) / 258;
    let singles = bytes - copies * 258;
    for _ in 0..singles {
        bits.code(0x30 + u32::from(b' '), 8);
    }
    for _ in 0..copies {
        // Length 258 (code 285, no extra bits), from one byte back (distance code 0).
        bits.code(0b1100_0101, 8);
        bits.code(0, 5);
    }
    // The end of the block (code 256).
    bits.code(0, 7);
    bits.finish();
    file.extend_from_slice(&checksum(bytes).to_le_bytes());
    file.extend_from_slice(&bytes.to_le_bytes());
    file
}

struct Bits<'a> {
    file: &'a mut Vec<u8>,
    pending: u32,
    count: u32,
}

impl Bits<'_> {
    /// "Data elements are packed into bytes in order of increasing bit number"
    fn push(&mut self, bits: u32, count: u32) {
        self.pending |= bits << self.count;
        self.count += count;
        while self.count >= 8 {
            self.file.push(self.pending.to_le_bytes()[0]);
            self.pending >>= 8;
            self.count -= 8;
        }
    }

    /// "Huffman codes are packed starting with the most-significant bit of the code."
    fn code(&mut self, code: u32, length: u32) {
        self.push(code.reverse_bits() >> (32 - length), length);
    }

    fn finish(self) {
        if self.count > 0 {
            self.file.push(self.pending.to_le_bytes()[0]);
        }
    }
}

/// CRC-32 of so many spaces.
fn checksum(bytes: u32) -> u32 {
    let mut table = [0_u32; 256];
    for (value, entry) in (0_u32..).zip(&mut table) {
        *entry = (0..8).fold(value, |crc, _| if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 });
    }
    !(0..bytes).fold(u32::MAX, |crc, _| table[((crc ^ u32::from(b' ')) & 0xff) as usize] ^ (crc >> 8))
}
