package sqlstore

// Restored are the statements that a restored database needs before anybody comes in: browser sessions that were ended, and
// one-time links that were used, after the backup was made would work again.
var Restored = []string{`DELETE FROM sessions`, `DELETE FROM links`}
