//! The reference pages of the book, made of the same tables as the program, so that they cannot say something else.

use clap::CommandFactory as _;

use super::{Line, exit::Exit};
use crate::config::table::{TABLE, Takes};

/// The table of settings.
fn settings() -> String {
    let mut text = "| setting | form | default | taken | what it does |\n|---|---|---|---|---|\n".to_owned();
    for setting in TABLE {
        let taken = match setting.takes {
            Takes::Reload => "reload",
            Takes::Start => "start",
        };
        text += &format!("| `{}` | {} | `{}` | {taken} | {} |\n", setting.name, setting.form, setting.default, setting.sentence);
    }
    text
}

/// The table of commands.
fn commands() -> String {
    let mut text = "| command | what it does |\n|---|---|\n".to_owned();
    for command in Line::command().get_subcommands().filter(|command| !command.is_hide_set()) {
        let about = |command: &clap::Command| command.get_about().map(ToString::to_string).unwrap_or_default();
        if !command.is_subcommand_required_set() {
            text += &format!("| `overspill {}` | {} |\n", command.get_name(), about(command));
        }
        if command.has_subcommands() {
            for inner in command.get_subcommands() {
                text += &format!("| `overspill {} {}` | {} |\n", command.get_name(), inner.get_name(), about(inner));
            }
        }
    }
    text
}

/// The table of exit codes.
fn exits() -> String {
    let rows = Exit::TABLE.iter().map(|(code, sentence)| format!("| {code} | {sentence} |\n"));
    format!("| code | meaning |\n|--:|---|\n{}", rows.collect::<String>())
}

/// Compares a page with what it should contain; `OVERSPILL_BLESS=1` writes it instead.
fn check(page: &str, name: &str, table: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src").join(page);
    let text = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- generated: {name} -->\n"), "<!-- end -->\n");
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("{page} has no place for {name}"));
    let (old, after) = rest.split_once(end).unwrap();
    if std::env::var_os("OVERSPILL_BLESS").is_some() {
        std::fs::write(&path, format!("{before}{begin}{table}{end}{after}")).unwrap();
    } else {
        assert_eq!(old, table, "{page} is out of date: run this test with OVERSPILL_BLESS=1");
    }
}

#[test]
fn the_configuration_page_is_the_table() {
    check("configuration.md", "settings", &settings());
}

#[test]
fn the_command_page_is_the_command_line() {
    check("commands.md", "commands", &commands());
    check("commands.md", "exit codes", &exits());
}
