//! An officer's key and certificate, by which sealed bodies are opened.

use std::path::PathBuf;

use clap::Args;
use gateway::problem::Problem;

#[derive(Args)]
pub(super) struct Officer {
    /// The private key of an officer, or the one to recover with (PKCS#8, PEM)
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Its certificate (PEM)
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,
}

impl Officer {
    /// # Errors
    /// A file that is none, or a key that is not the certificate's.
    pub(super) fn opener(&self) -> Result<audit::Opener, Problem> {
        audit::Opener::load(&self.key, &self.certificate)
            .map_err(|error| Problem::about(&self.key, error.to_string()))
    }
}
