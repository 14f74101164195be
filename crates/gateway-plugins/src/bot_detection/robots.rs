//! Robots that everybody knows.

use regex::bytes::{Regex, RegexBuilder};

/// How much memory the expression may take.
const SIZE_LIMIT: usize = 16 << 20;

/// What the names of crawlers, spiders, readers and monitors have in them; case matters.
const NAMES: [&str; 96] = [
    "50.nu",
    "Aboundex",
    "AdsBot-Google",
    "altavista",
    "AppEngine-Google",
    "archiver",
    "Ask Jeeves",
    "Baiduspider",
    "baiduspider",
    "bingbot",
    "BingPreview",
    "blitzbot",
    "BlogBridge",
    "BotSeer",
    "Catchpoint bot",
    "Charlotte",
    "charlotte",
    "Checklinks",
    "clumboot",
    "ConveraCrawler",
    "CRAWL-E",
    "Daumoa",
    "Feed Seeker Bot",
    "findlinks",
    "FollowSite Bot",
    "furlbot",
    "Genieo",
    "gigabot",
    "GomezAgent",
    "Googlebot",
    "Google SketchUp",
    "grub-client",
    "gsa-crawler",
    "heritrix",
    "HiddenMarket",
    "HooWWWer",
    "htdig",
    "ia_archiver",
    "ICC-Crawler",
    "Icarus6j",
    "ichiro",
    "IconSurf",
    "IlTrovatore",
    "InfuzApp",
    "InternetArchive",
    "KaloogaBot",
    "Kraken",
    "Kurzor",
    "larbin",
    "LesnikBot",
    "Linguee Bot",
    "LinkAider",
    "LinkedInBot",
    "Llaut",
    "lycos",
    "Mail.RU_Bot",
    "masidani_bot",
    "Mediapartners-Google",
    "mogimogi",
    "mozDex",
    "MJ12bot",
    "msnbot",
    "msrbot",
    "netresearch",
    "Netvibes",
    "NewsGator",
    "Nymesis",
    "ObjectsSearch",
    "OOZBOT",
    "PagePeeker",
    "PagesInventory",
    "PaxleFramework",
    "Peeplo Screenshot Bot",
    "Pompos",
    "Riddler",
    "scooter",
    "Scrapy",
    "Scrubby",
    "searchsight",
    "seekbot",
    "semanticdiscovery",
    "SimplePie",
    "SEOstats",
    "Slurp",
    "Speedy Spider",
    "ThumbShotsBot",
    "Thumbshots.ru",
    "TwitterBot",
    "URL2PNG",
    "Vagabondo",
    "VoilaBot",
    "Web-sniffer",
    "WebThumb",
    "WhatWeb",
    "Yeti",
    "ZyBorg",
];

/// Programs that fetch pages, and names that say what their bearers are by a word before the version.
const PATTERNS: [&str; 6] = [
    r"(?:[Aa]rchiver|[Ii]ndexer|[Ss]craper|[Bb]ot|[Ss]pider|[Cc]rawl[a-z]*)[/ ]\d",
    r"facebookexternalhit/\d|Twitterbot/\d|Pingdom\.com_bot_version_\d",
    r"Google.*/\+/web/snippet",
    r"MSIE \d.*MSIECrawler",
    r"(?:Axtaris|BoardReader|Grub|Isara|Nutch|PathDefender|ShopSalad|Steeler|Tailsweep|WebZIP|YahooSeeker|fetchurl)[/ -]\d",
    r"Apache-HttpClient|Google-HTTP-Java-Client|HttpMonitor|JNLP|Python-urllib|TLSProber|WinHTTP|http%20client",
];

/// The robots.
#[derive(Debug)]
pub(crate) struct Robots(Regex);

impl Robots {
    /// Compiles what tells them.
    pub(crate) fn new() -> Self {
        let names = NAMES.iter().map(|name| regex::escape(name));
        let all: Vec<String> = names.chain(PATTERNS.iter().map(|pattern| (*pattern).to_owned())).collect();
        let regex = RegexBuilder::new(&all.join("|")).size_limit(SIZE_LIMIT).build();
        Self(regex.expect("the expressions are constant and tested"))
    }

    /// Whether this `User-Agent` is one of theirs.
    pub(crate) fn include(&self, agent: &[u8]) -> bool {
        self.0.is_match(agent)
    }
}
