//! A system outside of the engine that stages change: `faulty.post` tells it its idempotency token. It answers every
//! try, and takes the first of each token only, as a service with idempotency keys does.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Listens on a port of its own for as long as the tests' process lives.
pub struct Outside {
    address: String,
    book: Arc<Mutex<Book>>,
}

/// What it was told.
#[derive(Clone, Debug, Default)]
pub struct Book {
    /// Numbers of the tries of each token, in their order: the first was taken, the others were told that it had been.
    pub posts: HashMap<String, Vec<u64>>,
    /// Tries of all tokens together.
    pub tries: u64,
}

impl Outside {
    /// A service that takes so long for each answer.
    #[must_use]
    pub fn open(pause: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be had");
        let address = listener.local_addr().expect("it has an address").to_string();
        let book = Arc::<Mutex<Book>>::default();
        let shared = Arc::clone(&book);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let book = Arc::clone(&shared);
                // Whoever was killed before it had its answer has posted all the same.
                thread::spawn(move || drop(serve(&book, &client, pause)));
            }
        });
        Self { address, book }
    }

    /// Its host and port.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What it was told so far.
    #[must_use]
    pub fn book(&self) -> Book {
        self.book.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Takes one post, `TOKEN ATTEMPT`, and answers with the number of the try.
fn serve(book: &Mutex<Book>, mut client: &TcpStream, pause: Duration) -> std::io::Result<()> {
    let mut line = String::new();
    BufReader::new(client).read_line(&mut line)?;
    let Some((token, _attempt)) = line.trim_end().split_once(' ') else { return Ok(()) };
    let number = {
        let mut book = book.lock().unwrap_or_else(PoisonError::into_inner);
        book.tries += 1;
        let number = book.tries;
        book.posts.entry(token.to_owned()).or_default().push(number);
        number
    };
    thread::sleep(pause);
    writeln!(client, "{number}")
}
