//! The text by which a host name proves whose it is: what stands at `/.well-known/overspill` (RFC 8615).

use alloc::{format, string::String};

use overspill_governance::site::SiteId;

/// What stands before a member's name on its line.
const LINE: &str = "overspill-member=";

/// The text that a site publishes: one line for each member that stands for the host.
#[must_use]
pub fn published(site: &SiteId) -> String {
    format!("{LINE}{site}\n")
}

/// Tells whether a document that a host published names `site`'s key, on a line of its own.
#[must_use]
pub fn names(document: &[u8], site: &SiteId) -> bool {
    let text = String::from_utf8_lossy(document);
    let wanted = format!("{site}");
    text.lines().any(|line| line.trim().strip_prefix(LINE) == Some(wanted.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SITE: SiteId = SiteId([7; 32]);

    #[test]
    fn a_key_is_named_on_a_line_of_its_own_only() {
        let line = published(&SITE);
        assert!(names(line.as_bytes(), &SITE));
        assert!(names(format!("{}\r\n  {line}", published(&SiteId([8; 32]))).as_bytes(), &SITE));
        assert!(names(&[b"\xff\xfe\n", line.as_bytes()].concat(), &SITE), "other lines may be anything");
        for bad in [format!("<p>{line}"), line.trim().to_ascii_uppercase(), format!("{}x", line.trim()), line.replace('=', " = ")] {
            assert!(!names(bad.as_bytes(), &SITE), "{bad:?}");
        }
        assert!(!names(line.as_bytes(), &SiteId([8; 32])));
    }

    proptest! {
        #[test]
        fn foreign_bytes_name_nobody(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(!names(&bytes, &SITE));
        }
    }
}
