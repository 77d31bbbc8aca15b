-- access: read
-- What somebody set for the whole server, and what waits for a restart. What this session set hides
-- where a value came from, so its own settings are shown as they would be without it. Values that
-- may hold a password or a key are not told.
SELECT name,
       CASE WHEN name IN ('primary_conninfo', 'ssl_passphrase_command', 'archive_command',
                          'restore_command', 'archive_cleanup_command', 'recovery_end_command')
              OR name ~* 'passw|secret|token|api_?key|credential|private'
                 AND name NOT IN ('password_encryption', 'ssl_key_file')
            THEN '(hidden)'
            WHEN source = 'session' THEN reset_val || coalesce(unit, '')
            ELSE current_setting(name, true) END AS value,
       CASE WHEN source <> 'session' THEN source END AS source,
       pending_restart::int::int8 AS pending_restart
FROM pg_settings
WHERE source IN ('configuration file', 'command line', 'environment variable', 'global')
   OR pending_restart
   OR source = 'session' AND reset_val IS DISTINCT FROM boot_val
