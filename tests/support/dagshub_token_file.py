"""The file in which DagsHub's client keeps tokens, with a token of each kind; to be filled in with `host` and `token`."""

TOKENS = """version: '1'
{host}:
- access_token: browser-token
  expiry: '2030-01-01T00:00:00.000000Z'
  token_type: bearer
- access_token: old-token
  expiry: '2020-01-01T00:00:00.000000Z'
  token_type: bearer
- access_token: {token}
  expiry: never
  token_type: app-token
https://dagshub.com:
- access_token: for-another-host
  expiry: never
  token_type: app-token
"""
