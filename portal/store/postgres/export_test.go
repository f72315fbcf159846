package postgres

// Migrator applies migrations one by one in tests.
var Migrator = migrator
