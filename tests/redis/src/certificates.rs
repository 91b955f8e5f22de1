//! Certificates for a server and a client, and whoever signed them, made by `openssl` for one test.

use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Files in PEM, gone when this is dropped.
pub struct Certificates {
    folder: TempDir,
}

impl Certificates {
    /// Makes an authority of its own, and with it a certificate for `localhost` and one for a client.
    #[must_use]
    pub fn make() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = folder.path();
        // The system's own configuration would make an authority of each of them.
        std::fs::write(path.join("openssl.cnf"), "[req]\ndistinguished_name=dn\n[dn]\n")
            .expect("a file can be written");
        openssl(path, "ca", "/CN=tests", "basicConstraints=critical,CA:TRUE", false);
        openssl(path, "server", "/CN=localhost", "subjectAltName=DNS:localhost,IP:127.0.0.1", true);
        openssl(path, "client", "/CN=client", "extendedKeyUsage=clientAuth", true);
        Self { folder }
    }

    /// The certificate of `ca`, `server` or `client`.
    #[must_use]
    pub fn cert(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.pem"))
    }

    /// The key of one of them.
    #[must_use]
    pub fn key(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.key"))
    }
}

/// Makes one certificate, signed by itself or by `ca`.
fn openssl(folder: &Path, name: &str, subject: &str, extension: &str, signed: bool) {
    let mut command = Command::new("openssl");
    command.current_dir(folder).args(["req", "-x509", "-days", "2", "-nodes", "-subj", subject]);
    command.args([
        "-config",
        "openssl.cnf",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-addext",
        extension,
    ]);
    command.args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.pem")]);
    if signed {
        command.args(["-CA", "ca.pem", "-CAkey", "ca.key"]);
    }
    let made = command.output().expect("openssl can be started; `make setup` installs it");
    assert!(made.status.success(), "no certificate: {}", String::from_utf8_lossy(&made.stderr));
}
