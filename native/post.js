// Revokes what main.js minted: the runner hands STATE_receipt over.
'use strict';
require('./main.js').step('revoke');
