//! Answers as they come over the wire, in version 2 of the protocol (redis.io, "Redis serialization protocol
//! specification"). The library's reader is made for streams that block, and is large: read after a pause, when none of
//! it is in the processor's caches any more, it took a fifteenth of the time from enqueue to start.

use redis::{RedisError, RedisResult, Value, parse_redis_value};
use std::io::ErrorKind;

/// Lists within lists: deeper than any answer that is read here.
const DEPTH_MAX: usize = 4;

/// The answer that these bytes begin with; none when more of it is to come.
pub fn read(bytes: &[u8]) -> RedisResult<Option<Value>> {
    Reader { bytes, at: 0 }.value(DEPTH_MAX)
}

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Reader<'b> {
    fn value(&mut self, depth: usize) -> RedisResult<Option<Value>> {
        let start = self.at;
        let Some(line) = self.line() else { return Ok(None) };
        let (kind, text) = line.split_first().ok_or_else(odd)?;
        match kind {
            b'+' if text == b"OK" => Ok(Some(Value::Okay)),
            b'+' => Ok(Some(Value::SimpleString(String::from_utf8_lossy(text).into_owned()))),
            b':' => Ok(Some(Value::Int(number(text)?))),
            b'$' => Ok(self.bulk(number(text)?)),
            b'*' => self.list(number(text)?, depth),
            // The library knows the kinds of errors.
            b'-' => parse_redis_value(&self.bytes[start..self.at]).map(Some),
            _ => Err(odd()),
        }
    }

    fn line(&mut self) -> Option<&'b [u8]> {
        let rest = &self.bytes[self.at..];
        let length = rest.windows(2).position(|end| end == b"\r\n")?;
        self.at += length + 2;
        Some(&rest[..length])
    }

    fn bulk(&mut self, length: i64) -> Option<Value> {
        let Ok(length) = usize::try_from(length) else { return Some(Value::Nil) };
        let rest = &self.bytes[self.at..];
        let end = length.checked_add(2).filter(|end| *end <= rest.len())?;
        self.at += end;
        Some(Value::BulkString(rest[..length].to_vec()))
    }

    fn list(&mut self, length: i64, depth: usize) -> RedisResult<Option<Value>> {
        if length < 0 {
            return Ok(Some(Value::Nil));
        }
        let inner = depth.checked_sub(1).ok_or_else(odd)?;
        let mut values = Vec::new();
        for _ in 0..length {
            let Some(value) = self.value(inner)? else { return Ok(None) };
            values.push(value);
        }
        Ok(Some(Value::Array(values)))
    }
}

fn number(text: &[u8]) -> RedisResult<i64> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or_else(odd)
}

/// Whoever answers like that is no Redis.
fn odd() -> RedisError {
    std::io::Error::new(ErrorKind::InvalidData, "the answer is none of the protocol's").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWERS: [&[u8]; 8] = [
        b"+OK\r\n",
        b"+PONG\r\n",
        b":-7\r\n",
        b"$-1\r\n",
        b"*-1\r\n",
        b"$4\r\na\r\nb\r\n",
        b"*2\r\n$4\r\nlist\r\n$0\r\n\r\n",
        b"*3\r\n*1\r\n:1\r\n$1\r\nx\r\n*0\r\n",
    ];

    #[test]
    fn answers_are_read_as_the_library_reads_them() {
        for answer in ANSWERS {
            assert_eq!(read(answer).expect("it is one"), Some(parse_redis_value(answer).expect("it is one")));
        }
    }

    #[test]
    fn a_part_of_an_answer_is_none() {
        for answer in ANSWERS {
            for end in 0..answer.len() {
                assert_eq!(read(&answer[..end]).expect("it may be one"), None, "{:?}", &answer[..end]);
            }
        }
    }

    #[test]
    fn an_error_keeps_its_kind() {
        let value = read(b"-NOAUTH Authentication required.\r\n").expect("it is one").expect("it is whole");
        assert_eq!(value.extract_error().unwrap_err().code(), Some("NOAUTH"));
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        let deep = b"*1\r\n".repeat(DEPTH_MAX + 1);
        for bytes in [&b"HTTP/1.1 400 Bad Request\r\n"[..], b"$x\r\n", b"\r\n", &deep] {
            assert!(read(bytes).is_err(), "{bytes:?}");
        }
        // A length is believed when so much has come.
        assert_eq!(read(b"$9223372036854775807\r\nx").expect("it may be one"), None);
    }
}
