//! One question to a server over its Unix socket, without a client library.

use std::io::{BufRead, BufReader, Error, Result, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Sends a command; gives the answer as plain text.
pub fn ask(socket: &Path, words: &[&str]) -> Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    let mut command = format!("*{}\r\n", words.len());
    command.extend(words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())));
    stream.write_all(command.as_bytes())?;
    let mut lines = Vec::new();
    read(&mut BufReader::new(stream), &mut lines)?;
    Ok(lines.join("\n"))
}

/// Reads one answer; what a list holds becomes a line each.
fn read(stream: &mut impl BufRead, lines: &mut Vec<String>) -> Result<()> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Err(Error::other("the server closed the connection"));
    }
    let line = line.trim_end();
    let (kind, rest) = line.split_at_checked(1).ok_or_else(|| Error::other("the answer is empty"))?;
    let length = rest.parse::<usize>();
    match (kind, length) {
        ("$", Ok(length)) => {
            let mut text = vec![0; length + 2];
            stream.read_exact(&mut text)?;
            lines.push(String::from_utf8_lossy(&text[..length]).into_owned());
        }
        ("*", Ok(length)) => {
            for _ in 0..length {
                read(stream, lines)?;
            }
        }
        // Nil has the length -1.
        ("$" | "*", Err(_)) => {}
        _ => lines.push(rest.to_owned()),
    }
    Ok(())
}
