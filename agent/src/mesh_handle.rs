//! The one way to talk to the running mesh: wishes and questions, answered when it gets to them.
//!
//! The mesh may die and be started again; the handle outlives it. While it is away, questions are answered with the reason.

use std::{sync::Arc, time::Duration};

use overspill_protocol::{
    event::Answer,
    io::Command,
    report::{MembersReport, Report},
};
use tokio::sync::{Mutex, mpsc, oneshot};

/// Wishes and questions waiting for the mesh: people ask few, scripts wait for answers.
const ASKS_WAITING_MAX: usize = 32;
/// How long a question waits: longer than a join with all its attempts or a leave that settles first.
const PATIENCE: Duration = Duration::from_secs(180);

/// Something asked of the mesh.
#[derive(Debug)]
pub enum Ask {
    /// A person's wish.
    Command(Command, oneshot::Sender<Result<Answer, String>>),
    /// How things stand.
    Report(oneshot::Sender<Result<Report, String>>),
    /// Who belongs, and who once did.
    Members(oneshot::Sender<Result<Option<MembersReport>, String>>),
    /// What the transport counted.
    Counts(oneshot::Sender<Vec<(&'static str, u64)>>),
    /// Dies at once, as by a fault of ours: for trials of the rule that the site serves on.
    Die,
}

/// The mesh's end. Shared, so that it is not lost when a mesh task dies with it in its hands.
pub type Asks = Arc<Mutex<mpsc::Receiver<Ask>>>;

/// The askers' end. Cheap to clone.
#[derive(Debug, Clone)]
pub struct MeshHandle {
    asks: mpsc::Sender<Ask>,
}

impl MeshHandle {
    /// Makes both ends.
    #[must_use]
    pub fn new() -> (Self, Asks) {
        let (send, receive) = mpsc::channel(ASKS_WAITING_MAX);
        (Self { asks: send }, Arc::new(Mutex::new(receive)))
    }

    /// Carries out a wish.
    ///
    /// # Errors
    /// In words for the person who wished: what happened and what to do.
    pub async fn command(&self, command: Command) -> Result<Answer, String> {
        self.ask(|answer| Ask::Command(command, answer)).await?
    }

    /// Says how things stand.
    ///
    /// # Errors
    /// In words, when the mesh is not running.
    pub async fn report(&self) -> Result<Report, String> {
        self.ask(Ask::Report).await?
    }

    /// Says who belongs, and who once did; `None` without a mesh.
    ///
    /// # Errors
    /// In words, when the mesh is not running.
    pub async fn members(&self) -> Result<Option<MembersReport>, String> {
        self.ask(Ask::Members).await?
    }

    /// Says what the transport counted: names and values, none while it is closed.
    ///
    /// # Errors
    /// In words, when the mesh is not running.
    pub async fn counts(&self) -> Result<Vec<(&'static str, u64)>, String> {
        self.ask(Ask::Counts).await
    }

    /// Makes the mesh task die, for trials.
    pub fn die(&self) {
        let _ = self.asks.try_send(Ask::Die);
    }

    async fn ask<T>(&self, make: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Result<T, String> {
        let (send, receive) = oneshot::channel();
        self.asks.try_send(make(send)).map_err(|_| "the mesh is busy or not running; try again in a moment".to_owned())?;
        let answer = tokio::time::timeout(PATIENCE, receive).await;
        let late = || "the mesh did not answer in time; the wish may still be carried out: look at `overspill status`".to_owned();
        answer.map_err(|_| late())?.map_err(|_| "the mesh was restarted meanwhile; look at `overspill status` and try again".to_owned())
    }
}
