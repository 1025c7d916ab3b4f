class CreateNotes < ActiveRecord::Migration[6.1]
  def up
    execute "CREATE TABLE notes (id integer)"
  end

  def down
    drop_table :notes
  end
end
