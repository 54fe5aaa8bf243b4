//! `--keep`: the mesh stays, and the terminal tells how to look at it.

use super::{mesh::Mesh, progress::Display};

/// Says how to look at the running mesh and waits for Ctrl-C, which ends the demonstration from outside.
pub async fn until_interrupted(mesh: &Mesh, display: &Display) {
    let program = std::env::current_exe().map_or_else(|_| "overspill".to_owned(), |path| path.display().to_string());
    display.say("the mesh is running until you press Ctrl-C; for example:");
    for agent in std::iter::once(&mesh.owner).chain(&mesh.helpers) {
        let Some(id) = agent.process.id() else { continue };
        display.say(&format!("  {} is process {id}: {} , metrics http://{}/metrics", agent.name, agent.canonical(), agent.admin));
    }
    let owner = mesh.owner.config.display();
    for command in ["status", "partners", "statement", "ledger verify"] {
        display.say(&format!("  {program} {command} --config {owner}"));
    }
    let page = mesh.owner.canonical();
    display.say(&format!("  curl -i --resolve '*:{}:127.0.0.1' {page}/2026/post-01/", mesh.owner.port()));
    std::future::pending::<()>().await;
}
