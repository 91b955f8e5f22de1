//! What a file is by its first bytes. A page of HTML that says "not found" is no picture, whatever its address ends in.

use crate::types::Kind;

/// Bytes that are needed.
pub const BYTES: usize = 264;

/// The kind of a file and the extension it ought to have; nothing when it is no clip or picture.
pub fn sniff(start: &[u8]) -> Option<(Kind, &'static str)> {
    let at = |offset: usize, magic: &[u8]| start.get(offset..offset + magic.len()) == Some(magic);
    let form = |name: &[u8]| at(0, b"RIFF") && at(8, name);
    Some(if at(4, b"ftyp") {
        match start.get(8..12) {
            Some(b"qt  ") => (Kind::Clip, "mov"),
            // Still pictures in the same box, which libav may or may not know.
            Some(b"avif" | b"heic" | b"heix" | b"mif1") => return None,
            _ => (Kind::Clip, "mp4"),
        }
    } else if at(4, b"moov") || at(4, b"mdat") || at(4, b"wide") {
        (Kind::Clip, "mov")
    } else if at(0, &[0x1a, 0x45, 0xdf, 0xa3]) {
        (Kind::Clip, "webm")
    } else if at(0, b"OggS") {
        (Kind::Clip, "ogv")
    } else if form(b"AVI ") {
        (Kind::Clip, "avi")
    } else if at(0, &[0, 0, 1, 0xba]) {
        (Kind::Clip, "mpg")
    } else if at(0, &[0x47]) && at(188, &[0x47]) {
        (Kind::Clip, "ts")
    } else if at(0, b"GIF8") {
        (Kind::Clip, "gif")
    } else if at(0, &[0xff, 0xd8, 0xff]) {
        (Kind::Picture, "jpg")
    } else if at(0, b"\x89PNG\r\n\x1a\n") {
        (Kind::Picture, "png")
    } else if form(b"WEBP") {
        (Kind::Picture, "webp")
    } else if at(0, b"BM") && at(14, &[40, 0, 0, 0]) {
        (Kind::Picture, "bmp")
    } else if at(0, b"II*\0") || at(0, b"MM\0*") {
        (Kind::Picture, "tif")
    } else {
        return None;
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_by_their_first_bytes() {
        let mut stream = vec![0x47; 189];
        stream[1..188].fill(0);
        for (start, expected) in [
            (&b"\0\0\0\x20ftypisom"[..], Some("mp4")),
            (b"\0\0\0\x14ftypqt  ", Some("mov")),
            (b"\0\0\0\x20ftypavif", None),
            (b"\x1a\x45\xdf\xa3....", Some("webm")),
            (b"RIFF\0\0\0\0WEBPVP8 ", Some("webp")),
            (b"RIFF\0\0\0\0WAVEfmt ", None),
            (b"\xff\xd8\xff\xe0", Some("jpg")),
            (&stream, Some("ts")),
            (b"<!DOCTYPE html><title>404", None),
            (b"{\"error\":1}", None),
            (b"", None),
        ] {
            assert_eq!(sniff(start).map(|(_, extension)| extension), expected, "{start:?}");
        }
    }
}
