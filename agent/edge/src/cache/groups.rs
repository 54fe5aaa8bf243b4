//! Groups of responses that are forgotten together (RFC 9875): their names, and who is in them.

use std::collections::{HashMap, HashSet};

use http::HeaderName;

use super::{key::Key, structured};
use crate::limits::{GROUP_BYTES_MAX, GROUPED_MAX, GROUPS_MAX};

/// Names the groups that a response belongs to.
pub(crate) const CACHE_GROUPS: HeaderName = HeaderName::from_static("cache-groups");
/// Names the groups that an unsafe request made obsolete.
pub(crate) const CACHE_GROUP_INVALIDATION: HeaderName = HeaderName::from_static("cache-group-invalidation");

/// Names the tags of a response, as the WordPress plugin "Proxy Cache Purge" writes them.
pub(crate) const CACHE_TAGS: HeaderName = HeaderName::from_static("x-cache-tags");

/// The tags of a response, one line after the other with commas between.
pub(crate) fn tags<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Option<String> {
    let lines: Vec<&str> = lines.filter_map(|line| str::from_utf8(line).ok()).filter(|line| line.is_ascii()).collect();
    (!lines.is_empty()).then(|| lines.join(","))
}

/// A group's name, of one origin. Text between the quotes, whose escapes are the same for the same name.
pub(crate) type Group = Box<[u8]>;

/// Reads the lines of a field of groups; what is not well-formed names none.
//= RFC 9875 section 2: a list of strings, compared letter by letter.
pub(crate) fn named<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Vec<Group> {
    let Some(text) = structured::joined(lines) else { return Vec::new() };
    let strings = structured::strings(&text).unwrap_or_default();
    let mut groups: Vec<Group> = strings.into_iter().filter(|name| name.len() <= GROUP_BYTES_MAX).map(Into::into).collect();
    groups.sort();
    groups.dedup();
    groups.truncate(GROUPS_MAX);
    groups
}

/// Which resources are in which groups.
#[derive(Debug, Default)]
pub(crate) struct Index {
    members: HashMap<(Box<str>, Group), HashSet<Key>>,
    count: usize,
}

impl Index {
    /// Notes a resource's groups. False if there is no room: what is in a group that nobody remembers could not be forgotten with it.
    pub(crate) fn note(&mut self, key: &Key, groups: &[Group], is_held: impl Fn(&Key) -> bool) -> bool {
        if self.count + groups.len() > GROUPED_MAX {
            self.members.retain(|_, keys| {
                keys.retain(&is_held);
                !keys.is_empty()
            });
            self.count = self.members.values().map(HashSet::len).sum();
        }
        if self.count + groups.len() > GROUPED_MAX {
            return false;
        }
        for group in groups {
            let keys = self.members.entry((key.origin().into(), group.clone())).or_default();
            self.count += usize::from(keys.insert(key.clone()));
        }
        true
    }

    /// Takes out a group's resources.
    pub(crate) fn take(&mut self, origin: &str, group: &Group) -> HashSet<Key> {
        let keys = self.members.remove(&(origin.into(), group.clone())).unwrap_or_default();
        self.count -= keys.len();
        keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{
        HeaderMap, HeaderValue,
        uri::{Authority, PathAndQuery, Scheme},
    };

    fn key(host: &'static str, path: &str) -> Key {
        Key::new(&Scheme::HTTP, &Authority::from_static(host), &PathAndQuery::try_from(path).unwrap())
    }

    fn groups(lines: &[&'static str]) -> Vec<Group> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(CACHE_GROUPS, HeaderValue::from_static(line));
        }
        named(headers.get_all(&CACHE_GROUPS).iter().map(HeaderValue::as_bytes))
    }

    #[test]
    fn groups_are_named_by_strings() {
        assert_eq!(groups(&["\"b\", \"a\";x=1, token", "\"A\""]), [Group::from(&b"A"[..]), Group::from(&b"a"[..]), Group::from(&b"b"[..])]);
        assert_eq!(groups(&["\"a\", b c"]), [] as [Group; 0]);
        assert_eq!(groups(&[]), [] as [Group; 0]);
        let many: Vec<String> = (0..GROUPS_MAX + 5).map(|number| format!("\"{number:032}\"")).collect();
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_GROUPS, HeaderValue::try_from(many.join(",")).unwrap());
        assert_eq!(named(headers.get_all(&CACHE_GROUPS).iter().map(HeaderValue::as_bytes)).len(), GROUPS_MAX);
    }

    #[test]
    fn a_group_is_one_origins() {
        let mut index = Index::default();
        let (posts, all) = (groups(&["\"posts\""]), |_: &Key| true);
        assert!(index.note(&key("a.example", "/1"), &posts, all) && index.note(&key("a.example", "/2"), &posts, all));
        assert!(index.note(&key("b.example", "/1"), &posts, all));
        assert_eq!(index.take(key("a.example", "/").origin(), &posts[0]).len(), 2);
        assert_eq!(index.take(key("a.example", "/").origin(), &posts[0]).len(), 0);
        assert_eq!(index.count, 1);
    }

    #[test]
    fn the_index_is_bounded_and_forgets_what_is_gone() {
        let mut index = Index::default();
        let one = groups(&["\"a\""]);
        for number in 0..GROUPED_MAX {
            assert!(index.note(&key("a.example", &format!("/{number}")), &one, |_| true));
        }
        assert!(!index.note(&key("a.example", "/more"), &one, |_| true));
        assert!(index.note(&key("a.example", "/more"), &one, |_| false));
        assert_eq!(index.count, 1);
    }
}
