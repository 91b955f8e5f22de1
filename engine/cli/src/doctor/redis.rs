//! Whether a Redis answers. Only a fleet needs one, so a silent one is no fault unless `$REDIS_URL` names it.

use super::{Check, Status};
use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

const DEFAULT_URL: &str = "redis://127.0.0.1:6379";
const TIMEOUT: Duration = Duration::from_millis(500);

/// Where a server is and how one logs in.
#[derive(Debug, PartialEq, Eq)]
struct Address {
    /// Host and port.
    server: String,
    /// The words of `AUTH`: a password, or a user and a password.
    login: Vec<String>,
}

/// Reads `redis://[[user]:password@]host[:port][/number]`.
fn parse(url: &str) -> Result<Address, String> {
    let rest = url.strip_prefix("redis://").ok_or("only redis:// is asked; a TLS server is not")?;
    let (login, place) = rest.rsplit_once('@').map_or((None, rest), |(login, place)| (Some(login), place));
    let place = place.split(['/', '?']).next().unwrap_or_default();
    let has_port = place.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let server = if has_port { place.to_owned() } else { format!("{place}:6379") };
    let login = login.map_or_else(Vec::new, |login| {
        let (user, password) = login.split_once(':').unwrap_or(("", login));
        [user, password].iter().filter(|word| !word.is_empty()).map(|&word| word.to_owned()).collect()
    });
    Ok(Address { server, login })
}

/// Asks the Redis of this URL, or of this machine when there is none.
pub(super) fn check(url: Option<&str>) -> Check {
    let asked = parse(url.unwrap_or(DEFAULT_URL)).and_then(|address| {
        ping(&address).map(|version| (address, version)).map_err(|error| error.to_string())
    });
    match (asked, url) {
        (Ok((address, answer)), _) => Check::ok("redis", format!("{answer} from {}", address.server)),
        (Err(_), None) => Check::none("redis", "none at 127.0.0.1:6379; only a fleet needs one"),
        (Err(error), Some(_)) => Check::bad(
            "redis",
            Status::Warn,
            format!("$REDIS_URL does not answer: {error}"),
            "start that server, or unset $REDIS_URL: one machine needs no Redis",
        ),
    }
}

/// Sends `PING`; says the first line of the answer.
fn ping(address: &Address) -> std::io::Result<String> {
    let socket = address.server.to_socket_addrs()?.next();
    let socket = socket.ok_or_else(|| std::io::Error::other("the host has no address"))?;
    let mut stream = TcpStream::connect_timeout(&socket, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    if !address.login.is_empty() {
        let words: Vec<&str> =
            std::iter::once("AUTH").chain(address.login.iter().map(String::as_str)).collect();
        exchange(&mut stream, &words)?;
    }
    exchange(&mut stream, &["PING"])
}

/// One command in the Redis protocol and the first line of its answer; an error line is an error.
fn exchange(stream: &mut TcpStream, words: &[&str]) -> std::io::Result<String> {
    let mut command = format!("*{}\r\n", words.len());
    command.extend(words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())));
    stream.write_all(command.as_bytes())?;
    let mut answer = [0_u8; 256];
    let length = stream.read(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer[..length]);
    match answer.lines().next().unwrap_or_default() {
        "" => Err(std::io::Error::other("it closed the connection")),
        line if line.starts_with('-') => Err(std::io::Error::other(line[1..].to_owned())),
        line => Ok(line.trim_start_matches('+').to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn urls_are_read() {
        let address = |server: &str, login: &[&str]| {
            Ok(Address { server: server.to_owned(), login: login.iter().map(|&w| w.to_owned()).collect() })
        };
        assert_eq!(parse("redis://box"), address("box:6379", &[]));
        assert_eq!(parse("redis://:pw@box:7000/2"), address("box:7000", &["pw"]));
        assert_eq!(parse("redis://ann:p@ss@[::1]:6380"), address("[::1]:6380", &["ann", "p@ss"]));
        assert!(parse("rediss://box").is_err());
    }

    /// A server that answers one connection with these lines, one a command; says its URL.
    fn server(answers: &'static [&'static str]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port can be opened");
        let port = listener.local_addr().expect("it has an address").port();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("the check connects");
            for answer in answers {
                let mut command = [0_u8; 256];
                let _ = stream.read(&mut command);
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        format!("redis://:secret@127.0.0.1:{port}")
    }

    #[test]
    fn an_answer_is_ok_and_a_refusal_is_told() {
        let good = check(Some(&server(&["+OK\r\n", "+PONG\r\n"])));
        assert_eq!((good.status, good.found.starts_with("PONG")), (Status::Ok, true), "{good:?}");
        let refused = check(Some(&server(&["-WRONGPASS invalid password\r\n"])));
        assert_eq!(refused.status, Status::Warn);
        assert!(refused.found.contains("WRONGPASS") && !refused.found.contains("secret"), "{refused:?}");
    }
}
