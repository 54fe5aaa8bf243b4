//! The control socket: who can open it owns the state directory, and may command the agent.

use std::{
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    sync::Semaphore,
    time::timeout,
};

use super::talk::{QUESTION_BYTES_MAX, Question, Told, VERSION};
use crate::{
    cli::exit::{Exit, Failure},
    run::agent::Agent,
};

/// Questions at once: people type one, scripts a few.
const TALKS_MAX: usize = 16;
/// How long a question may take to arrive: it is one line from the same machine.
const QUESTION_PATIENCE: Duration = Duration::from_secs(5);

/// The bound socket; its name goes when it is dropped.
#[derive(Debug)]
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
}

impl Control {
    /// Binds the socket. Whoever holds the directory's lock may remove what an earlier agent left.
    ///
    /// # Errors
    /// What the operating system says; a path of more than 107 bytes is too long for a socket.
    pub fn bind(path: &Path) -> io::Result<Self> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Answers questions until dropped.
    pub async fn serve(self, agent: Arc<Agent>) {
        let places = Arc::new(Semaphore::new(TALKS_MAX));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let agent = Arc::clone(&agent);
                    tokio::spawn(async move {
                        if let Err(error) = talk(stream, &agent).await {
                            tracing::debug!(%error, "a command went away");
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    // Out of file descriptors, most likely: the site needs them more.
                    tracing::warn!(%error, "control socket");
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            }
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn talk(stream: UnixStream, agent: &Agent) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut limited = BufReader::new(read.take(QUESTION_BYTES_MAX));
    timeout(QUESTION_PATIENCE, limited.read_line(&mut line)).await??;
    let told = match serde_json::from_str::<Question>(&line) {
        Ok(Question { version: VERSION, ask }) => agent.answer(ask).await.map_or_else(Told::Failed, Told::Done),
        Ok(Question { version, .. }) => Told::Failed(Failure::new(
            Exit::Failed,
            format!("the running agent speaks version {VERSION} of the control protocol, and was asked in version {version}"),
            "restart the agent, so that both come from one program",
        )),
        Err(error) => Told::Failed(Failure::new(
            Exit::Usage,
            format!("the running agent does not understand the question: {error}"),
            "restart the agent, so that both come from one program",
        )),
    };
    let mut answer = serde_json::to_vec(&told)?;
    answer.push(b'\n');
    write.write_all(&answer).await?;
    write.shutdown().await
}
