"""Parts that several pages share: layout, badges, formatting, banners, the artifact browser."""
