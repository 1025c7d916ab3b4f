-- +goose Up
CREATE TABLE notes (id integer);
-- +goose Down
DROP TABLE notes;
