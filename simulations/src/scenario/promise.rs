//! Which promise was broken: a failure's words without what differs from run to run, so that a smaller plot can be asked for the same.

/// The promise behind the words of a failure. `names` are the sites' short keys.
///
/// Keys and whatever has a digit become `_`, and details behind a brace, a semicolon or a second colon are left out.
pub fn of(words: &str, names: &[String]) -> String {
    let mut promise = String::new();
    let mut colons = 0;
    for part in words.split_inclusive(|letter: char| !letter.is_ascii_alphanumeric()) {
        let (word, behind) = match part.char_indices().next_back() {
            Some((at, letter)) if !letter.is_ascii_alphanumeric() => (&part[..at], Some(letter)),
            _ => (part, None),
        };
        let varies = word.chars().any(|letter| letter.is_ascii_digit()) || names.iter().any(|name| name == word);
        promise.push_str(if varies { "_" } else { word });
        colons += usize::from(behind == Some(':'));
        match behind {
            Some('{' | ';' | '\n') => break,
            Some(':') if colons == 2 => break,
            Some(letter) => promise.push(letter),
            None => {}
        }
    }
    promise.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_and_numbers_do_not_count() {
        let names = [String::from("abcdefgh"), String::from("qrstuvwx")];
        assert_eq!(of("abcdefgh signed two states at 17 of line 3fa9", &names), "_ signed two states at _ of line _");
        assert_eq!(of("qrstuvwx signed two states at 2 of line 00aa11", &names), of("abcdefgh signed two states at 1 of line 9", &names));
        assert_eq!(
            of("long after healing: site 1 keeps a lease: Lease { id: 5 }; site 2 is not there", &names),
            "long after healing: site _ keeps a lease"
        );
        assert_ne!(of("long after healing: site 1 is silent", &names), of("long after healing: site 1 keeps a lease", &names));
        assert_eq!(of("", &names), "");
    }

    proptest! {
        #[test]
        fn any_words_have_a_promise(words: String) {
            prop_assert!(of(&words, &[]).len() <= words.len());
        }
    }
}
