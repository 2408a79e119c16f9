"""The app frame: session, backend, navigation, security headers, startup and crash handling."""
