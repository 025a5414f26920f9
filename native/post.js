// Revokes what main.js minted: the runner passes STATE_receipt on.
'use strict';
require('./main.js').step('revoke');
