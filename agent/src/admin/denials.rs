//! The `--json` forms of `deny` and `allow`, and wishes to deny as they are said, made of a list whether an agent runs or not.

use overspill_edge::{DENIAL_LINK_BYTES_MAX, DENIAL_REASON_BYTES_MAX, Denial, DenialStatus, DeniedUrl};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    cli::exit::{Exit, Failure},
    denylist::Denylist,
};

/// Name and version of the form of `deny`.
pub const DENY: &str = "overspill.deny/1";
/// Name and version of the form of `allow`.
pub const ALLOW: &str = "overspill.allow/1";
/// Name and version of the form of `deny --list`.
pub const DENIED: &str = "overspill.denied/1";

/// A wish that something be denied, as a person says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// Its URL; with a star at its end all that begin so.
    pub url: String,
    /// The status with which it is answered.
    pub status: u16,
    /// Why.
    pub reason: String,
    /// Who carries it out.
    pub blocked_by: Option<String>,
}

impl Wish {
    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(&self) -> Result<Denial, Failure> {
        let status = DenialStatus::of_code(self.status)
            .ok_or_else(|| wrong(format!("{} is no status for what is denied", self.status), "write --status 451 or --status 410"))?;
        let is_long = self.reason.len() > DENIAL_REASON_BYTES_MAX;
        if is_long || self.reason.chars().any(char::is_control) {
            let advice = format!("write one line of at most {DENIAL_REASON_BYTES_MAX} bytes");
            return Err(wrong("the reason is too long, or of more than one line", &advice));
        }
        if let Some(by) = &self.blocked_by {
            let is_written =
                by.len() <= DENIAL_LINK_BYTES_MAX && by.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"".contains(&byte));
            if !is_written || !["https://", "http://"].iter().any(|scheme| by.starts_with(scheme)) {
                return Err(wrong(format!("{by:?} is no address for --blocked-by"), "write one with its scheme, in plain letters"));
            }
        }
        Ok(Denial { url: url(&self.url)?, status, reason: self.reason.clone(), blocked_by: self.blocked_by.clone() })
    }
}

/// Reads a URL that is or was denied.
///
/// # Errors
/// What is wrong with it.
pub fn url(text: &str) -> Result<DeniedUrl, Failure> {
    text.parse().map_err(|misread| {
        wrong(format!("{text:?} cannot be denied: {misread}"), "write a whole URL: https://blog.example/a/page, or /a/*")
    })
}

/// Denies something. On the disk when this returns.
///
/// # Errors
/// What is wrong with the wish, or why the list stays as it was.
pub fn deny(list: &mut Denylist, wish: &Wish) -> Result<Value, Failure> {
    let denial = wish.read()?;
    let told = form(DENY, &denial);
    list.deny(denial).map_err(Failure::from)?;
    Ok(told)
}

/// Denies something no longer. On the disk when this returns.
///
/// # Errors
/// What is wrong with the URL, or why the list stays as it was.
pub fn allow(list: &mut Denylist, text: &str) -> Result<Value, Failure> {
    let url = url(text)?;
    if !list.allow(&url).map_err(Failure::from)? {
        return Err(Failure::new(Exit::Refused, format!("{url} is not denied"), "`overspill deny --list` shows what is"));
    }
    Ok(json!({ "schema": ALLOW, "url": url.to_string() }))
}

/// The whole list.
pub fn denied(list: &Denylist) -> Value {
    let denied: Vec<Value> = list.items().iter().map(fields).collect();
    json!({ "schema": DENIED, "denied": denied, "damage": list.damage().map(ToString::to_string) })
}

fn form(schema: &str, denial: &Denial) -> Value {
    let mut told = fields(denial);
    told["schema"] = schema.into();
    told
}

fn fields(denial: &Denial) -> Value {
    let Denial { url, status, reason, blocked_by } = denial;
    json!({ "url": url.to_string(), "status": status.code(), "reason": reason, "blocked_by": blocked_by })
}

fn wrong(what: impl Into<String>, advice: &str) -> Failure {
    Failure::new(Exit::Usage, what, advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish() -> Wish {
        Wish { url: "https://blog.example/a".into(), status: 451, reason: "Order 7".into(), blocked_by: None }
    }

    #[test]
    fn a_wish_is_read_whole_or_not_at_all() {
        assert!(wish().read().is_ok());
        let by = |by: &str| Wish { blocked_by: Some(by.into()), ..wish() };
        assert!(by("https://blog.example/why").read().is_ok());
        for wrong in [
            Wish { url: "blog.example/a".into(), ..wish() },
            Wish { status: 404, ..wish() },
            Wish { reason: "a".repeat(DENIAL_REASON_BYTES_MAX + 1), ..wish() },
            Wish { reason: "a\nb".into(), ..wish() },
            by("blog.example"),
            by("https://blog.example/>; rel=x"),
            by("https://blog.example/\r\nX: y"),
        ] {
            assert_eq!(wrong.read().unwrap_err().exit, Exit::Usage, "{wrong:?}");
        }
    }
}
