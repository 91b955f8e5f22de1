//! What can go wrong with pictures and with a GPU.

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an operation was not done.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// Pictures do not fit each other or the operation.
    #[error("{0}")]
    Shape(String),
    /// There is no GPU to be used here.
    #[error("no NVIDIA GPU can be used: {0}")]
    NoGpu(String),
    /// The driver refused something.
    #[error("the GPU could not {what}: {reason}")]
    Gpu {
        /// What it was asked for.
        what: &'static str,
        /// The driver's words.
        reason: String,
    },
}

impl Error {
    pub(crate) fn gpu(what: &'static str) -> impl Fn(cudarc::driver::DriverError) -> Self {
        move |error| Self::Gpu { what, reason: error.to_string() }
    }
}
