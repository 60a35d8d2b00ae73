// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IEnergyMarket} from "./IEnergyMarket.sol";
import {ITransfers} from "./ITransfers.sol";

/// @title All that stands at the market's address: the market itself, and the ledger that it trades in
interface IExchange is IEnergyMarket, ITransfers {}
