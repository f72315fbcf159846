package sqlstore

// Restored are the tables that are emptied in a restored database before anybody comes in: browser sessions that were ended, and
// one-time links and enrolments that were used, after the backup was made would work again. A backup of an older
// version may not have all of them.
var Restored = []string{"sessions", "links", "site_enrolments"}
