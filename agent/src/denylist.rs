//! What must not be shown, as the state directory keeps it: one line of JSON for each denial.

use overspill_edge::{DENIAL_LINK_BYTES_MAX, DENIAL_REASON_BYTES_MAX, DENIALS_MAX, DENIED_URL_BYTES_MAX, Denial, DenialStatus, DeniedUrl};
use serde::{Deserialize, Serialize};

use crate::kept::{Item, Kept, Unchanged};

/// The file, and what it says.
pub type Denylist = Kept<Denial>;

/// One line of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    url: String,
    status: u16,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    blocked_by: Option<String>,
}

impl Item for Denial {
    const NAME: &'static str = "overspill-denied-1";
    const ITEMS_MAX: usize = DENIALS_MAX;
    /// Two addresses, and a reason of which JSON may escape each letter.
    const LINE_BYTES_MAX: usize = DENIED_URL_BYTES_MAX + DENIAL_LINK_BYTES_MAX + 2 * DENIAL_REASON_BYTES_MAX + 128;

    fn written(&self) -> String {
        let Self { url, status, reason, blocked_by } = self;
        let line = Line { url: url.to_string(), status: status.code(), reason: reason.clone(), blocked_by: blocked_by.clone() };
        // Strings and numbers have a form in JSON.
        serde_json::to_string(&line).unwrap_or_default()
    }

    fn read(line: &[u8]) -> Option<Self> {
        let Line { url, status, reason, blocked_by } = serde_json::from_slice(line).ok()?;
        Some(Self { url: url.parse().ok()?, status: DenialStatus::of_code(status)?, reason, blocked_by })
    }
}

impl Denylist {
    /// Denies something, in place of what was said of the same URL. On the disk when this returns.
    ///
    /// # Errors
    /// [`Unchanged`]; file and list are as they were.
    pub fn deny(&mut self, denial: Denial) -> Result<(), Unchanged> {
        let mut denied = self.items().to_vec();
        match denied.iter_mut().find(|known| known.url == denial.url) {
            Some(known) => *known = denial,
            None => denied.push(denial),
        }
        self.replace(denied)
    }

    /// Denies something no longer; tells whether it was denied. On the disk when this returns.
    ///
    /// # Errors
    /// [`Unchanged`]; file and list are as they were.
    pub fn allow(&mut self, url: &DeniedUrl) -> Result<bool, Unchanged> {
        let denied: Vec<Denial> = self.items().iter().filter(|known| known.url != *url).cloned().collect();
        let was_denied = denied.len() < self.items().len();
        if was_denied {
            self.replace(denied)?;
        }
        Ok(was_denied)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;
    use tempfile::TempDir;

    fn place() -> (TempDir, PathBuf) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("denied");
        (folder, path)
    }

    fn denial(url: &str, reason: &str) -> Denial {
        Denial { url: url.parse().unwrap(), status: DenialStatus::Legal, reason: reason.into(), blocked_by: None }
    }

    #[test]
    fn what_is_denied_stays_denied_and_what_is_allowed_is_forgotten() {
        let (_folder, path) = place();
        let mut list = Denylist::open(&path);
        for url in ["https://blog.example/a", "https://blog.example/b/*"] {
            list.deny(denial(url, "Order 7")).unwrap();
        }
        list.deny(denial("http://BLOG.example/%61", "Order 8")).unwrap();
        let again = Denylist::open(&path);
        assert_eq!((again.items(), again.damage()), (list.items(), None));
        assert_eq!((again.items().len(), again.items()[0].reason.as_str()), (2, "Order 8"), "said anew of the same URL");
        let url = "https://blog.example/a".parse().unwrap();
        assert!(list.allow(&url).unwrap() && !list.allow(&url).unwrap());
        let left: Vec<String> = Denylist::open(&path).items().iter().map(|denial| denial.url.to_string()).collect();
        assert_eq!(left, ["https://blog.example/b/*"]);
    }

    #[test]
    fn the_form_of_the_file_stays() {
        let gone = Denial {
            url: "https://blog.example/b/*".parse().unwrap(),
            status: DenialStatus::Gone,
            reason: String::new(),
            blocked_by: Some("https://blog.example/why".into()),
        };
        let lines = [denial("https://blog.example/a", "Order \"7\""), gone].map(|denial| {
            let line = denial.written();
            assert_eq!(Denial::read(line.as_bytes()), Some(denial));
            line
        });
        assert_eq!(
            lines,
            [
                r#"{"url":"https://blog.example/a","status":451,"reason":"Order \"7\""}"#,
                r#"{"url":"https://blog.example/b/*","status":410,"blocked_by":"https://blog.example/why"}"#,
            ]
        );
    }

    #[test]
    fn the_longest_list_is_read_whole() {
        let (_folder, path) = place();
        let url = |at: usize| format!("https://blog.example/{at:a<0$}", DENIED_URL_BYTES_MAX - 30);
        let denied = (0..DENIALS_MAX).map(|at| denial(&url(at), &"\"".repeat(DENIAL_REASON_BYTES_MAX))).collect();
        let mut list = Denylist::open(&path);
        list.replace(denied).unwrap();
        assert!(matches!(list.deny(denial(&url(DENIALS_MAX), "")), Err(Unchanged::Full(DENIALS_MAX))));
        list.deny(denial(&url(7), "other")).unwrap();
        let again = Denylist::open(&path);
        assert_eq!((again.items().len(), again.damage()), (DENIALS_MAX, None));
    }
}
