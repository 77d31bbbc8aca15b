-- access: read
-- Whether the tenant exists; asked where an answer was empty, to tell "nothing there" from "nobody".
-- $1 uuid: tenant
SELECT EXISTS (SELECT FROM tenants t WHERE t.id = $1)
