//! A URL taken apart once, by one strict parser, for every user of its parts.
