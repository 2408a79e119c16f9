"""Components shared by several pages: layout, badges, formatting, banners, the artifact browser."""
