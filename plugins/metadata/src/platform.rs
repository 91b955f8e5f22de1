//! What each platform takes, as its documentation for programs says it (November 2026).

use crate::fit::Count;
use reelmill_sdk::prelude::*;

/// A platform.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    /// YouTube.
    Youtube,
    /// YouTube, upright and short.
    Shorts,
    /// TikTok.
    Tiktok,
    /// Reels of Instagram.
    Instagram,
    /// X.
    X,
}

/// What a platform takes.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Characters of a title; none where there is only a text.
    pub title: Option<usize>,
    /// Units of the text below the title, or of the whole text where there is no title.
    pub text: usize,
    /// How these units are counted.
    pub count: Count,
    /// Characters of all tags, with commas, and quotes around those with spaces; 0 where there are none.
    pub tags: usize,
    /// Hashtags at the most.
    pub hashtags: usize,
    /// Characters that must not come.
    pub forbidden: &'static [char],
    /// A hashtag that always comes first.
    pub own_hashtag: Option<&'static str>,
}

impl Platform {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Youtube, Self::Shorts, Self::Tiktok, Self::Instagram, Self::X];

    /// Its name in outputs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Youtube => "youtube",
            Self::Shorts => "shorts",
            Self::Tiktok => "tiktok",
            Self::Instagram => "instagram",
            Self::X => "x",
        }
    }

    /// What it takes.
    pub const fn rules(self) -> Rules {
        match self {
            // https://developers.google.com/youtube/v3/docs/videos: 100 characters, 5,000 bytes, 500 characters of tags,
            // no < and >. Of more than sixty hashtags none counts; fifteen were the rule once, and are plenty.
            Self::Youtube => Rules {
                title: Some(100),
                text: 5_000,
                count: Count::Bytes,
                tags: 500,
                hashtags: 15,
                forbidden: &['<', '>'],
                own_hashtag: None,
            },
            Self::Shorts => Rules { own_hashtag: Some("#Shorts"), ..Self::Youtube.rules() },
            // https://developers.tiktok.com/doc/content-posting-api-reference-direct-post: 2,200 units of UTF-16. The
            // five hashtags are what the app takes since 2025; the interface says nothing of them.
            Self::Tiktok => Rules {
                title: None,
                text: 2_200,
                count: Count::Utf16,
                tags: 0,
                hashtags: 5,
                forbidden: &[],
                own_hashtag: None,
            },
            // https://developers.facebook.com/docs/instagram-platform/content-publishing: 2,200 characters, 30 hashtags.
            Self::Instagram => Rules { hashtags: 30, ..Self::Tiktok.rules() },
            // https://docs.x.com/fundamentals/counting-characters. Two hashtags are advice.
            Self::X => Rules { text: 280, count: Count::Weighted, hashtags: 2, ..Self::Tiktok.rules() },
        }
    }
}
