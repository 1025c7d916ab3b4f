DROP FUNCTION initial(users);
DROP TABLE users;
