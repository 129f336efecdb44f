// The registry in memory that the finders' tests use does what reg.exe does.

import { testRegistry } from '../../contracts/registry.ts';
import { regFileRegistry } from '../../support/reg-file-registry.ts';
import { tempDir } from '../../support/temp-dir.ts';

testRegistry('the registry in memory', false, { open: () => regFileRegistry(), folder: tempDir });
