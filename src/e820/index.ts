export {
  type BiosAnswers,
  detectMemory,
  type E801Answer,
  type E820Answer,
  SMAP,
} from './bios.ts';
export { e820Checksum } from './checksum.ts';
export {
  type DmesgEdit,
  type DmesgLog,
  type DmesgMap,
  dmesgFirmware,
  dmesgWorkingMap,
  parseDmesg,
} from './dmesg.ts';
export { parseE820TypeText } from './dmesg-line.ts';
export {
  type CommandLineParam,
  type EarlyParamHandler,
  type EarlyParamHandlers,
  parseEarlyParams,
  splitCommandLine,
} from './early-param.ts';
export {
  type BiosDataArea,
  biosRegionStart,
  type EarlyReservation,
  type EarlyReserveInputs,
  earlyReserveMemory,
} from './early-reserve.ts';
export { checkRangeEdit, checkUpdateTable, type RangeEdit } from './edit-invariants.ts';
export {
  doAddEfiMemmap,
  EfiMemoryAttribute,
  type EfiMemoryDescriptor,
  EfiMemoryType,
  type EfiOptions,
  type EfiStubMap,
  efiArchMemReserve,
  efiFakeMemmapEarly,
  efiStubMap,
} from './efi.ts';
export { e820EndOfLowRamPfn, e820EndOfRamPfn } from './end-of-ram.ts';
export { E820Error, type E820ErrorCode } from './errors.ts';
export {
  e820FirmwareMap,
  type FirmwareMapEntry,
  formatFirmwareMap,
  parseFirmwareMapFiles,
  parseFirmwareMapListing,
} from './firmware-map.ts';
export {
  formatE820Map,
  formatE820Type,
  formatExpanded,
  formatIomemType,
  formatLastPfn,
  formatMtrrLoss,
  formatNosave,
  formatPciGap,
  formatRamBuffer,
  formatRamdisk,
  formatRemove,
  formatTooMany,
  formatUpdate,
  HEADER_BIOS,
  HEADER_EXTENDED,
  HEADER_MODIFIED,
  HEADER_USER,
} from './format.ts';
export {
  assertInvariants,
  checkInvariants,
  checkResourceTree,
  checkSanitisedTable,
  type E820CheckedParts,
} from './invariants.ts';
export { type E820JsonEntry, e820ToJson, parseE820Json, readE820Json } from './json.ts';
export { checkMemblockSetup, type MemoryRegion } from './memblock-invariants.ts';
export {
  type E820MemblockTarget,
  e820MemblockAllocReserved,
  e820MemblockAllocReservedMpcNew,
  e820MemblockSetup,
  parseAllocMptable,
} from './memblock-setup.ts';
export {
  appendE820Entries,
  appendE820Table,
  e820MemorySetup,
  e820MemorySetupExtended,
} from './memory-setup.ts';
export { memparse, type ParsedNumber, parseDigits } from './memparse.ts';
export {
  type BootAlloc,
  e820RegisterNosaveRegions,
  type NosaveOptions,
  type NosaveRegion,
} from './nosave.ts';
export { type ParsedE820, parseE820 } from './parse.ts';
export { e820SearchGap, e820SetupPciGap, type PciGap } from './pci-gap.ts';
export {
  acpiTableUpgrade,
  e820UpdateTablePrint,
  gartApertureCheck,
  mtrrTrimUncachedMemory,
  reserveStolenMemory,
} from './platform.ts';
export {
  EINVAL,
  e820GetEntryType,
  e820MappedAll,
  e820MappedAny,
  isIsaRange,
} from './query.ts';
export { e820RangeRemove, e820RangeUpdate } from './range.ts';
export { encodeE820Records, parseE820Records } from './records.ts';
export {
  type E820Resources,
  e820ReserveResources,
  e820ReserveResourcesLate,
  type ReserveResourcesOptions,
} from './reserve-resources.ts';
export {
  createIomem,
  createResource,
  type FormatIomemOptions,
  formatIomem,
  IoresourceDesc,
  IoresourceFlag,
  insertResource,
  insertResourceExpandToFit,
  type Resource,
  requestResource,
} from './resource.ts';
export {
  type E820Finish,
  type E820FinishOptions,
  type E820Hook,
  type E820Setup,
  type E820SetupOptions,
  finishE820Setup,
  setupE820,
} from './setup.ts';
export {
  e820ReserveSetupData,
  type ParsedSetupData,
  parseSetupData,
  type ReadPhysical,
  readSetupData,
  SetupDataType,
} from './setup-data.ts';
export {
  createE820State,
  type E820State,
  type E820StateOptions,
  e820ReallocateTables,
} from './state.ts';
export {
  createE820Table,
  E820_MAX_ENTRIES,
  E820_MAX_ENTRIES_ZEROPAGE,
  e820MaxEntries,
  e820RangeAdd,
} from './table.ts';
export { e820AddKernelRange, trimBiosRange } from './trim.ts';
export {
  type AddressRange,
  type E820Entry,
  type E820Firmware,
  type E820Table,
  E820Type,
  LogLevel,
  type LogLine,
  type LogSink,
  type SetupDataNode,
  type SetupIndirect,
} from './types.ts';
export { e820UpdateTable, sanitisedEntries } from './update-table.ts';
export {
  e820EarlyParams,
  e820FinishEarlyParams,
  parseMemmapOne,
  parseMemmapOpt,
  parseMemopt,
} from './user-map.ts';
export type { Zeropage } from './zeropage.ts';
export { parseZeropage } from './zeropage.ts';
