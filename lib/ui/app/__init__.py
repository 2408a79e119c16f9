"""The frame of the app: session, backend, navigation, security headers, start-up and crashes."""
